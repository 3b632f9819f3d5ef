"""The scripts of the wire contract as methods: deliveries in, answers out. Nothing else calls them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from .held import Delivery
from .outcome import Outcome
from .protocol.keys import GROUP_WORKERS, Partition
from .protocol.link import Argument, Link
from .protocol.scripts import Scripts
from .reference import Reference

QUARANTINE_LIMIT: Final = 1_000
GO: Final = b"GO"
"""Answer of a claim: run it. Any other says why not."""
HELD: Final = b"HELD"
"""Another worker runs it; the entry stays pending."""


class Wire:
    """Calls the scripts for one worker.

    All methods are safe to repeat, and raise Unavailable and Refused (see `Link`). Deliveries of one call are of one
    partition.
    """

    def __init__(self, link: Link, scripts: Scripts, consumer: str) -> None:
        self.link = link
        self.consumer = consumer
        self._scripts = scripts

    async def claim(self, at: Partition, deliveries: Sequence[Delivery]) -> list[bytes]:
        """Start deliveries: per delivery `GO`, or why not."""
        values = {"home": at.task_events, **self._who(at)}
        return list(await self._scripts.call(self.link, "claim", values, _items(deliveries)))

    async def finish(self, at: Partition, finished: Sequence[tuple[Delivery, Outcome]]) -> list[bool]:
        """Remove entries and report what came of them; False: somebody did before, or took it away."""
        items: list[Argument] = []
        reports: list[Argument] = []
        for delivery, outcome in finished:
            entry = delivery.entry
            report = outcome.report(entry.task_id, entry.token)
            if not delivery.claimed:
                report += ("worker", self.consumer)
            items += (entry.service, entry.entry_id, len(report))
            reports += report
        values: dict[str, Argument] = {"events": at.task_events, "prefix": at.prefix, "group": GROUP_WORKERS}
        values["items"] = len(finished)
        answers = await self._scripts.call(self.link, "finish", values, items + reports)
        return [answer == b"OK" for answer in answers]

    async def fetch(self, link: Link, streams: Iterable[str], after: str, *options: Argument) -> list[Any]:
        """Read queues as this worker: `[[stream, [[entry id, fields and values], ...]], ...]`."""
        names = list(streams)
        group = ("GROUP", GROUP_WORKERS, self.consumer)
        reply = await link.execute("XREADGROUP", *group, *options, "STREAMS", *names, *[after] * len(names))
        return reply or []

    async def references(
        self, at: Partition, task_ids: Sequence[str], scenario_id: str
    ) -> dict[str, Reference]:
        """Tasks that a task refers to; those of other scenarios are left out."""
        names = ("scenario_id", "name", "status", "result_ref", "result")
        replies = await self.link.execute_many([("HMGET", at.task(task_id), *names) for task_id in task_ids])
        home = scenario_id.encode()
        return {
            task_id: Reference(task_id, name or b"", status or b"", ref or b"", value or b"")
            for task_id, (scenario, name, status, ref, value) in zip(task_ids, replies, strict=True)
            if scenario == home
        }

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

    async def progress(self, at: Partition, reports: Iterable[tuple[Delivery, float | None, str]]) -> None:
        """Tell how far deliveries are, in percent with a message; None: only that they live."""
        rest: list[Argument] = []
        for delivery, percent, message in reports:
            far = "" if percent is None else f"{percent:g}"
            rest += (delivery.entry.task_id, delivery.entry.token, far, message)
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

    def _who(self, at: Partition) -> dict[str, Any]:
        return {"prefix": at.prefix, "group": GROUP_WORKERS, "worker": self.consumer}


def _items(deliveries: Iterable[Delivery]) -> Iterator[str]:
    return (text for delivery in deliveries for text in delivery.item)
