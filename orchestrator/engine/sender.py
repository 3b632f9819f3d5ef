"""Sends deliveries of webhooks beside everything else: many at a time, few to one endpoint, and notes how each went."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import structlog

from orchestrator.egress import Egress
from orchestrator.signing import signature
from orchestrator.store.deliveries import DONE_MS, Deliveries, Due, Verdict
from orchestrator.store.endpoint_standing import standings
from orchestrator.store.endpoints import Endpoint, Endpoints
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Refused, Unavailable
from workers_sdk.protocol.messages import dumps
from workers_sdk.protocol.seams import Randomness

from .loop import Seams
from .post import Answer, Post

SCHEDULE_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Pauses between the attempts of a delivery, as Standard Webhooks has them: ten attempts within 76 hours."""
JITTER: Final = 0.1
"""Each pause is up to so much shorter or longer, so that what failed together does not come back together."""
LONGEST_PAUSE_S: Final = 86_400
GONE: Final = 410
RECORD_TRIES: Final = 3
DRAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Sending:
    """How deliveries are sent.

    Attributes:
        egress: where to.
        timeout_s: for one attempt.
        per_endpoint, in_total: how many attempts may be under way at the same time, in this process.
        keep_ms: how long a delivery is kept that is done.
        patience_ms: an endpoint all of whose attempts failed for so long is disabled.
    """

    egress: Egress = field(default_factory=Egress)
    timeout_s: float = 15.0
    per_endpoint: int = 4
    in_total: int = 64
    keep_ms: int = DONE_MS
    patience_ms: int = 5 * 86_400_000

    @property
    def hold_ms(self) -> int:
        """How long a delivery that was taken is left alone. Longer than an attempt takes with all around it."""
        return round(self.timeout_s * 2_000) + 1_000


class Sender:
    """One for all partitions of a replica, since its limits count all of them. A context manager: the end of the block waits
    a moment for what is under way; what is cut off is sent again by another replica."""

    def __init__(self, store: Store, seams: Seams, sending: Sending | None = None) -> None:
        self.sending = sending or Sending()
        self.endpoints = Endpoints(store)
        self.deliveries = Deliveries(store, self.sending.keep_ms)
        self.turn = asyncio.Lock()  # held from counting the room to `send`, else two would take the same
        self._store = store
        self._seams = seams
        self._post = Post(self.sending.egress, self.sending.timeout_s, seams.clock)
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._of: Counter[str] = Counter()
        self._bug: BaseException | None = None
        self._log = structlog.get_logger().bind(duty="sender")

    def room(self, endpoint_id: str) -> int:
        """How many more attempts for an endpoint may begin now, as far as its own limit goes."""
        return self.sending.per_endpoint - self._of[endpoint_id]

    @property
    def free(self) -> int:
        """How many more attempts may begin now. Raises the exception of an earlier one that was a bug."""
        if self._bug:
            raise self._bug
        return self.sending.in_total - len(self._under_way)

    def send(
        self, at: Partition, endpoint: Endpoint, due: Due, now_ms: int, done: Callable[[], None]
    ) -> None:
        """Begin an attempt, which was taken at `now_ms`; `done` is called at its end."""
        task = asyncio.create_task(self._attempt(at, endpoint, due, now_ms), name=f"delivery-{due.id}")
        self._under_way[task] = endpoint.id
        self._of[endpoint.id] += 1

        def ended(task: asyncio.Task[None]) -> None:
            endpoint_id = self._under_way.pop(task)
            self._of[endpoint_id] -= 1
            if not self._of[endpoint_id]:
                del self._of[endpoint_id]
            if not task.cancelled():
                self._bug = self._bug or task.exception()
            done()

        task.add_done_callback(ended)

    async def idle(self, timeout_s: float | None = None) -> None:
        """Wait until nothing is under way, or for `timeout_s`."""
        if self._under_way:
            await asyncio.wait(list(self._under_way), timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.idle(DRAIN_S)
        left = list(self._under_way)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _attempt(self, at: Partition, endpoint: Endpoint, due: Due, now_ms: int) -> None:
        seconds = now_ms // 1000
        headers = {
            "webhook-id": due.id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(endpoint.keys(now_ms), due.id, seconds, due.body),
            "user-agent": "Scenarist",
        }
        answer = await self._post.post(endpoint.url, due.body, headers)
        verdict = judge(answer, due.tries, self._seams.randomness)
        log = self._log.bind(endpoint_id=endpoint.id, delivery_id=due.id, status=answer.status)
        try:
            since_ms = await self._recorded(at, due, verdict)
            log.info("webhook_sent", outcome=verdict.status, ms=answer.ms)
            if reason := await self._reason(endpoint.id, answer, since_ms, now_ms):
                await self.endpoints.disable(endpoint.id, reason)
                log.warning("webhook_disabled", reason=reason)
        except (Unavailable, Refused) as error:
            # Nothing is lost: it is taken again when nobody noted anything for a while.
            log.warning("delivery_not_recorded", error=str(error))

    async def _recorded(self, at: Partition, due: Due, verdict: Verdict) -> int | None:
        """Note an attempt, again when the reply is lost: the second time changes nothing."""
        for left in range(RECORD_TRIES - 1, -1, -1):
            try:
                return await self.deliveries.record(at, due, verdict)
            except Unavailable:
                if not left:
                    raise
                await self._seams.clock.sleep(self._seams.randomness.uniform(0.2, 0.5))
        return None

    async def _reason(self, endpoint_id: str, answer: Answer, since_ms: int | None, now_ms: int) -> str:
        """Why nothing more should be sent to an endpoint, or empty. `since_ms`: since when attempts from here fail."""
        if answer.status == GONE:
            return "The endpoint answered 410 Gone."
        latest_ms = now_ms - self.sending.patience_ms
        if since_ms and since_ms < latest_ms:
            failing_ms = (await standings(self._store, [endpoint_id]))[endpoint_id].failing_ms
            if 0 < failing_ms < latest_ms:  # no other partition had a success since
                return f"All attempts of the last {self.sending.patience_ms // 86_400_000} days failed."
        return ""


def judge(answer: Answer, tries: int, randomness: Randomness) -> Verdict:
    """What becomes of a delivery after an attempt; `tries` others failed before."""
    facts = dumps({"status": answer.status or None, "ms": answer.ms, "error": answer.error or None})
    if 200 <= answer.status < 300:
        return Verdict("success", 0, facts)
    if answer.status == GONE or tries >= len(SCHEDULE_S):
        return Verdict("failed", 0, facts)
    pause_s = SCHEDULE_S[tries] * randomness.uniform(1 - JITTER, 1 + JITTER)
    asked_s = min(answer.retry_after_s or 0, LONGEST_PAUSE_S)
    return Verdict("pending", round(max(pause_s, asked_s) * 1000), facts)
