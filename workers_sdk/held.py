"""What a worker answers for: deliveries from the moment they were read until their report is accepted."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from .cancel import CancelToken
from .protocol.keys import Partition, is_id
from .protocol.messages import Malformed, TaskEntry
from .reference import references_of


@dataclass(slots=True, eq=False)
class Delivery:
    """One stream entry that was given to this worker.

    Attributes:
        claimed: the task is `processing` under our name.
        ended: its handler ended.
        began: when its handler began, in the seconds of the worker's clock.
        key: what no other delivery has.
    """

    at: Partition
    entry: TaskEntry
    cancelled: CancelToken = field(default_factory=CancelToken)
    claimed: bool = False
    ended: bool = False
    began: float = 0.0
    key: tuple[int, str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.key = (self.at.index, self.entry.service, self.entry.entry_id)

    @classmethod
    def decode(cls, at: Partition, service: str, entry_id: bytes, flat: Sequence[bytes]) -> "Delivery":
        """Read an entry. Raises Malformed."""
        entry = TaskEntry.decode(service, entry_id, flat)
        if not is_id(entry.task_id):
            raise Malformed(f"task entry {entry.entry_id}: its id is not an id")
        return cls(at, entry)

    @property
    def references(self) -> list[str]:
        """Ids of the tasks that it refers to. Raises Malformed."""
        found = references_of(self.entry.fields).values()
        return list(dict.fromkeys(task_id for ids in found for task_id in ids))

    @property
    def item(self) -> tuple[str, str, str, str]:
        """How the scripts are told of it."""
        return self.entry.service, self.entry.entry_id, self.entry.task_id, self.entry.token


class Held:
    """The deliveries of one worker; the thread that keeps the leases reads it too."""

    def __init__(self) -> None:
        self._deliveries: dict[tuple[int, str, str], Delivery] = {}
        self._lock = threading.Lock()
        self._abandoned: set[tuple[int, str, str]] = set()

    def add(self, delivery: Delivery) -> bool:
        """Take responsibility. False when this entry is held already: its group was made anew, and it came again; and for
        one that was abandoned."""
        with self._lock:
            if delivery.key in self._abandoned:
                return False
            return self._deliveries.setdefault(delivery.key, delivery) is delivery

    def remove(self, delivery: Delivery) -> None:
        """Answer for it no more."""
        with self._lock:
            self._deliveries.pop(delivery.key, None)

    def abandon(self, delivery: Delivery) -> None:
        """Answer for it no more, though it stays pending for us: its lease will end, and another worker gets it. Few are,
        so they are remembered for as long as the worker lives."""
        with self._lock:
            self._abandoned.add(delivery.key)
            self._deliveries.pop(delivery.key, None)

    def all(self) -> list[Delivery]:
        """In order of arrival."""
        with self._lock:
            return list(self._deliveries.values())
