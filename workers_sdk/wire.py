"""The scripts of the wire contract as methods: deliveries in, answers out. Nothing else calls them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from .context import Reference
from .held import Delivery
from .outcome import Outcome
from .protocol.keys import GROUP_WORKERS, Partition
from .protocol.link import Argument, Link
from .protocol.scripts import Scripts

MAX_REFERENCES: Final = 1_000
"""References per item of `claim`; a task with more comes as several items, which is the same as one."""
QUARANTINE_LIMIT: Final = 1_000

Answer = Literal["GO", "DROP", "HELD"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What `claim` says of a delivery: start it (with what it refers to), it was removed, or another runs it."""

    answer: Answer
    reason: str = ""
    references: dict[str, Reference] = field(default_factory=dict)


class Wire:
    """Calls the scripts for one worker.

    All methods are safe to repeat, and raise Unavailable and Refused (see `Link`). Deliveries of one call are of one
    partition.
    """

    def __init__(self, link: Link, scripts: Scripts, consumer: str) -> None:
        self.link = link
        self.consumer = consumer
        self._scripts = scripts

    async def claim(self, at: Partition, deliveries: Sequence[Delivery]) -> list[Claim]:
        """Start deliveries."""
        chunks = [(delivery, chunk) for delivery in deliveries for chunk in _chunks(delivery.references)]
        rest: list[Argument] = []
        for delivery, chunk in chunks:
            rest += (*delivery.item, len(chunk), *chunk)
        answers = await self._scripts.call(
            self.link, "claim", {"home": at.task_events, **self._who(at)}, rest
        )
        claims: dict[Delivery, Claim] = {}
        for (delivery, chunk), answer in zip(chunks, answers, strict=True):
            claim = _claim(chunk, answer)
            claims.setdefault(delivery, claim).references.update(claim.references)
        return list(claims.values())

    async def renew(self, at: Partition, deliveries: Sequence[Delivery]) -> list[bool]:
        """Keep the leases; False: it is lost."""
        values = {"home": at.task_events, **self._who(at)}
        answers = await self._scripts.call(self.link, "renew", values, _items(deliveries))
        return [answer == b"OK" for answer in answers]

    async def give_back(self, at: Partition, deliveries: Sequence[Delivery], nonce: str) -> list[bool]:
        """Hand deliveries to other workers; False: it was not ours any more."""
        values = {"home": at.task_events, **self._who(at), "nonce": nonce}
        answers = await self._scripts.call(self.link, "give_back", values, _items(deliveries))
        return [answer == b"OK" for answer in answers]

    async def finish(self, at: Partition, finished: Sequence[tuple[Delivery, Outcome]]) -> list[bool]:
        """Remove entries and report what came of them; False: somebody did before, or took it away."""
        rest: list[Argument] = []
        for delivery, outcome in finished:
            event = outcome.event(delivery.entry.task_id, delivery.entry.token).encode()
            rest += (delivery.entry.service, delivery.entry.entry_id, len(event), *event)
        values = {"events": at.task_events, "prefix": at.prefix, "group": GROUP_WORKERS}
        answers = await self._scripts.call(self.link, "finish", values, rest)
        return [answer == b"OK" for answer in answers]

    async def progress(self, at: Partition, reports: Iterable[tuple[Delivery, float, str]]) -> None:
        """Tell how far deliveries are, in percent with a message."""
        rest: list[Argument] = []
        for delivery, percent, message in reports:
            rest += (delivery.entry.task_id, delivery.entry.token, f"{percent:g}", message)
        await self._scripts.call(self.link, "progress", {"home": at.task_events, "prefix": at.prefix}, rest)

    async def quarantine(self, at: Partition, service: str, entry_id: str, reason: str) -> None:
        """Set an entry aside that cannot be used."""
        values: dict[str, Argument] = {
            "stream": at.queue(service),
            "quarantine": at.quarantine,
            "group": GROUP_WORKERS,
            "entry_id": entry_id,
            "reason": reason[:500],
            "limit": QUARANTINE_LIMIT,
        }
        await self._scripts.call(self.link, "quarantine", values)

    async def leave(self, stream: str) -> None:
        """Leave the group of a stream, unless something is pending."""
        values = {"stream": stream, "group": GROUP_WORKERS, "consumer": self.consumer}
        await self._scripts.call(self.link, "leave", values)

    def _who(self, at: Partition) -> dict[str, Argument]:
        return {"prefix": at.prefix, "group": GROUP_WORKERS, "worker": self.consumer}


def _items(deliveries: Iterable[Delivery]) -> Iterator[str]:
    return (text for delivery in deliveries for text in delivery.item)


def _chunks(references: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, max(1, len(references)), MAX_REFERENCES):
        yield references[first : first + MAX_REFERENCES]


def _claim(ids: Sequence[str], answer: list[bytes]) -> Claim:
    word = answer[0]
    if word == b"GO":
        found = {task_id: Reference(task_id, *answer[4 * i + 1 : 4 * i + 5]) for i, task_id in enumerate(ids)}
        return Claim("GO", references=found)
    return Claim("DROP", answer[1].decode()) if word == b"DROP" else Claim("HELD")
