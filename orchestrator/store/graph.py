"""The tasks of a scenario as they stand in Redis, with what waits for what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import Status, loads

from .task_ids import task_ids_of

READ: Final = 500
"""Tasks read in one go; between two of them others have their turn."""
FIELDS: Final = ("status", "consumers", "released", "error", "rules", "group", "on_ready")
"""Of a task, for `node_of`."""

Json = Any


@dataclass(slots=True, eq=False)
class Node:
    """What must be known of a task.

    Attributes:
        consumers: ids of the tasks that wait for it.
        released: all of them have heard of its end.
        children: how many tasks it waits for that were added to it.
        undoes: it is a compensation.
        holds: of a scenario with states: `machine` carries them, `state` stands for a visit of one; else empty.
        parents: those whose end it waits for; once it has children only these.
    """

    id: str
    status: Status
    consumers: list[str]
    released: bool
    error_type: str
    rules: dict[str, Json]
    children: int
    undoes: bool
    holds: str = ""
    parents: list["Node"] = field(default_factory=list)

    @property
    def is_dead(self) -> bool:
        """Whether it ended, and not well."""
        return self.status.is_final and self.status is not Status.SUCCESS

    @property
    def is_done(self) -> bool:
        """Whether it succeeded and all have heard of it: nothing can change that any more."""
        return self.status is Status.SUCCESS and self.released

    @property
    def counts_all(self) -> bool:
        """Whether it may go on waiting after one of its parents ended badly."""
        return bool(self.children or self.rules.get("need") or self.rules.get("all_done"))


Graph = dict[str, Node]
"""All tasks of a scenario by id, in the order of the document; children come after what they were added to."""


async def read_graph(link: Link, at: Partition, scenario_id: str) -> Graph | None:
    """None: there is no such scenario, or not all of its tasks exist (yet). Raises: Unavailable, Refused."""
    ids = await task_ids_of(link, at, scenario_id)
    graph: Graph = {}
    for first in range(0, len(ids), READ):
        some = ids[first : first + READ]
        replies = await link.execute_many([("HMGET", at.task(task_id), *FIELDS) for task_id in some])
        graph |= {
            task_id: node_of(task_id, values)
            for task_id, values in zip(some, replies, strict=True)
            if values[0]
        }
    if not ids or len(graph) < len(ids):
        return None
    for node in graph.values():
        for consumer in node.consumers:
            if consumer in graph:
                graph[consumer].parents.append(node)
    for node in graph.values():
        if node.children:
            node.parents = [one for one in node.parents if one.rules.get("child") == node.id]
    return graph


def node_of(task_id: str, values: Sequence[bytes | None]) -> Node:
    """A task without its parents."""
    status, consumers, released, error, rules, group, on_ready = ((value or b"").decode() for value in values)
    return Node(
        id=task_id,
        status=Status(status),
        consumers=loads(consumers or "[]"),
        released=not released,
        error_type=_type_of(error),
        rules=loads(rules) if rules else {},
        children=int(group.split()[1]) if group else 0,
        undoes='"compensates"' in on_ready and "compensates" in loads(on_ready),
        holds=next((word for word in ("machine", "state") if on_ready.startswith(f'{{"{word}":')), ""),
    )


def over(graph: Graph) -> set[str]:
    """Ids of the tasks that belong to states which a scenario has left: they must not live again."""
    waiting = [node for node in graph.values() if node.holds and node.status.is_final]
    found = {node.id for node in waiting}
    while waiting:
        for parent in waiting.pop().parents:
            if parent.id not in found:
                found.add(parent.id)
                waiting.append(parent)
    return found


def _type_of(error: str) -> str:
    try:
        found = loads(error or "null")
    except ValueError:
        return ""
    return str(found.get("type", "")) if isinstance(found, dict) else ""
