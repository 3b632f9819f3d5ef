"""What stands in `task-events` and was not applied yet."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import split_reports

PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Reports:
    """Reports under way. `about`: task id -> (status, token) of each; `complete`: all that stood there were read."""

    about: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    complete: bool = True

    def has(self, task_id: str, *statuses: str, token: str | None = None) -> bool:
        """Whether there is one about the task, of one of these statuses and under this token (None: any)."""
        return any(
            status in statuses and token in (None, their) for status, their in self.about.get(task_id, ())
        )


async def reports_under_way(link: Link, at: Partition, most: int) -> Reports:
    """Read up to `most` entries, the oldest first. Raises: Unavailable, Refused."""
    about: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    first, seen = "-", 0
    while seen < most:
        entries = await link.execute("XRANGE", at.task_events, first, "+", "COUNT", min(PAGE, most - seen))
        for _, flat in entries:
            for report in split_reports(flat):
                known = dict(zip(report[::2], report[1::2], strict=True))
                text = [
                    known.get(name, b"").decode(errors="replace")
                    for name in (b"task_id", b"status", b"token")
                ]
                about[text[0]].add((text[1], text[2]))
        seen += len(entries)
        if len(entries) < min(PAGE, most):
            return Reports(dict(about))
        first = f"({entries[-1][0].decode()}"
    return Reports(dict(about), complete=await _is_end(link, at, first))


async def _is_end(link: Link, at: Partition, after: str) -> bool:
    return not await link.execute("XRANGE", at.task_events, after, "+", "COUNT", 1)
