"""What a check of the state finds, and how it is mended. docs/operations.md lists the kinds."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

NOW: Final = 0
"""Score of a member that belongs there now."""
MOST_FINDINGS: Final = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MendTask:
    """By `repair_task.lua`."""

    action: str
    number: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class MendScenario:
    """By `repair_scenario.lua`: `numbers` by status and of tolerated failures."""

    numbers: tuple[int, ...]
    total: int
    task_ids: str = ""
    settles: bool = True


@dataclass(frozen=True, slots=True)
class MendMember:
    """By `repair_member.lua`: `member` belongs into the sorted set `key`; `seen` are fields and values of the hash `subject`."""

    key: str
    subject: str
    member: str
    score: int
    seen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MendCount:
    """By `repair_count.lua`."""

    key: str
    name: str
    seen: str
    wanted: int


@dataclass(frozen=True, slots=True)
class FailTask:
    """What was to be done is not known any more; the task, which nobody has, ends."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class CancelScenario:
    """What cannot be mended ends."""

    kind: str
    message: str


Mend = MendTask | MendScenario | MendMember | MendCount | FailTask | CancelScenario


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it should be, seen once.

    Attributes:
        kind: for programs.
        subject: id of a task or scenario, or a name behind the prefix of the partition.
        message: for people.
        seen: where it stood; the fault counts when it is seen again standing there.
        mend: None: nothing can be done.
        unless: statuses of reports, and `submission`: with one of these under way about the subject it is no fault.
        token: only reports under this token; None: any.
    """

    kind: str
    subject: str
    message: str
    seen: tuple[str, ...]
    mend: Mend | None
    unless: tuple[str, ...] = ()
    token: str | None = None

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """What must be the same when it is seen again."""
        return self.kind, self.subject, self.seen


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault that was confirmed, and whether it was repaired."""

    kind: str
    subject: str
    message: str
    partition: int
    repaired: bool


@dataclass(slots=True)
class Report:
    """What a check found.

    Attributes:
        findings: at most `MOST_FINDINGS` of a kind.
        drift: number of findings by kind.
        repaired: the same of those that were repaired.
        scenarios, tasks, keys: what was looked at.
        undecided: things that may be faults, but so many reports or submissions are under way that nobody can tell.
        changing: scenarios that changed while their tasks were counted; all else of them was checked.
    """

    findings: list[Finding] = field(default_factory=list)
    drift: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    scenarios: int = 0
    tasks: int = 0
    keys: int = 0
    undecided: int = 0
    changing: int = 0

    @property
    def left(self) -> int:
        """How many findings were not repaired."""
        return self.drift.total() - self.repaired.total()

    def add(self, finding: Finding) -> None:
        """Note a finding."""
        self.drift[finding.kind] += 1
        self.repaired[finding.kind] += finding.repaired
        if self.drift[finding.kind] <= MOST_FINDINGS:
            self.findings.append(finding)


def parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """A sequence in pieces."""
    return (items[first : first + size] for first in range(0, len(items), size))
