"""A worker of the published protocol and nothing else: no SDK, one service, every step by hand."""

from dataclasses import dataclass, field

from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Link, Refused
from workers_sdk.protocol.messages import EventKind, TaskEntry, TaskEvent


@dataclass
class PlainWorker:
    """Reads `queue:<service>` as the consumer `name` and reports by XADD to `task-events`."""

    link: Link
    name: str = "plain-1"
    service: str = "test-service"
    at: Partition = field(default_factory=lambda: Partition(0, ""))

    async def take(self, count: int = 100) -> list[TaskEntry]:
        """Entries that are ready now; does not wait."""
        queue = self.at.queue(self.service)
        try:
            await self.link.execute("XGROUP", "CREATE", queue, "workers", "0", "MKSTREAM")
        except Refused as error:
            assert error.code == "BUSYGROUP"
        reply = await self.link.execute(
            "XREADGROUP", "GROUP", "workers", self.name, "COUNT", count, "STREAMS", queue, ">"
        )
        return [
            TaskEntry.decode(self.service, entry[0], entry[1]) for entry in (reply[0][1] if reply else [])
        ]

    async def report(self, entry: TaskEntry, kind: EventKind, **fields: str) -> None:
        """Append a report. The orchestrator removes the entry when it applies a final one."""
        event = TaskEvent(entry.task_id, kind, entry.token, fields)
        await self.link.execute("XADD", self.at.task_events, "*", *event.encode())

    async def succeed(self, entry: TaskEntry, **fields: str) -> None:
        """Report success."""
        await self.report(entry, EventKind.SUCCESS, **fields)
