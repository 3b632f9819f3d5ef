"""Brings ended tasks back: a dead letter with what ended because of it, or all of a scenario that did not succeed.

What to bring back is read from the tasks; whether each of them may live again is decided by `revive.lua`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from workers_sdk.protocol.messages import Status

from .graph import FIELDS, Graph, Node, node_of, over, read_graph
from .records import TaskRecord
from .store import Store

CAUSED: Final = frozenset(
    (
        *("upstream_failed", "upstream_skipped", "upstream_cancelled", "join_not_met", "child_failed"),
        "nothing_to_undo",
    )
)
"""Types of the errors of tasks that ended because others did."""
CARRY_ON_MS: Final = 10_000
"""After so long the engine goes on with what a caller left half done."""
IDS_PER_TASK: Final = 8
"""Ids beside each task of a chunk, on average: they bound the time of a script."""

Scope = Literal["all", "caused", "within"]
Item = list[str | int]
"""As revive.lua takes it: task id, number of good parents, number n of others, n ids, number m of dependents, m ids."""


@dataclass(frozen=True, slots=True)
class Revived:
    """A word of `revive.lua`, or UNWRITTEN: not all tasks of the scenario exist (yet), or UNDONE: some of what had succeeded
    was compensated, or LEFT: they belong to states that the scenario has left. `ids`: of the tasks that live again. `read`:
    how many tasks were read to find that."""

    word: str
    ids: list[str] = field(default_factory=list)
    read: int = 0


class Revival:
    """See the module. All methods may be repeated. They raise Unavailable and Refused: see `Link.execute`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def retry(self, scenario_id: str) -> Revived:
        """Bring back all tasks of a scenario that failed, were skipped or cancelled."""
        graph = await self._graph(scenario_id)
        if graph is None or _is_undone(graph):
            return Revived("UNDONE" if graph else "UNWRITTEN")
        dead = [node for node in graph.values() if node.is_dead]
        return await self._revive_some(scenario_id, graph, dead, "all")

    async def redrive(self, scenario_id: str, task_ids: Sequence[str], scope: Scope = "caused") -> Revived:
        """Bring back some tasks of a scenario, and what ended because of them."""
        graph = await self._graph(scenario_id)
        if graph is None or _is_undone(graph):
            return Revived("UNDONE" if graph else "UNWRITTEN", read=len(graph or {}))
        revived = await self._revive_some(scenario_id, graph, _with_caused(graph, task_ids), scope)
        return replace(revived, read=revived.read + len(graph))

    async def redrive_alone(self, scenario_id: str, task_ids: Sequence[str]) -> Revived:
        """The same for tasks that nothing depends on and that wait for nothing: the rest of the scenario is not read."""
        items: list[Item] = [[task_id, 0, 0, 0] for task_id in task_ids]
        return await self._revive(scenario_id, items, "caused")

    async def carry_on(self, scenario_id: str) -> Revived:
        """Go on with what a caller left half done."""
        at = self._store.partitions.of(scenario_id)
        begun = await self._store.link.execute("HGET", at.scenario(scenario_id), "revive")
        scope, by = (begun or b"").decode().split(" ") if begun else ("", "")
        graph = await self._graph(scenario_id) if scope else None
        left = over(graph or {})
        dead = [node for node in (graph or {}).values() if node.is_dead and node.id not in left]
        if scope == "all":
            return await self._revive(scenario_id, _items(graph or {}, dead), "all", begun_by=by)
        caused = [node for node in dead if node.error_type in CAUSED]
        known: Scope = "within" if scope == "within" else "caused"
        return await self._revive(scenario_id, _items(graph or {}, caused), known, begun_by=by)

    async def _failed_above(self, scenario_id: str) -> TaskRecord | None:
        """The task that failed because of a scenario, if it would wait for this one again."""
        at = self._store.partitions.of(scenario_id)
        parent = (await self._store.link.execute("HGET", at.scenario(scenario_id), "parent") or b"").decode()
        task = await self._store.task(parent) if parent else None
        failed = task is not None and task.status is Status.FAILED
        return task if failed and task and task.child_scenario_id == scenario_id else None

    async def _revive_above(self, scenario_id: str, task: TaskRecord) -> Revived:
        """Bring that task back when its scenario lives again, with what ended because of it."""
        child = await self._store.scenario(scenario_id)
        if child is None or child.cancel or child.status is Status.FAILED:
            return Revived("OK")
        return await self.redrive(task.scenario_id, [task.id], "within")

    async def _revive_some(
        self, scenario_id: str, graph: Graph, dead: Sequence[Node], scope: Scope
    ) -> Revived:
        left = over(graph)
        living = [node for node in dead if node.id not in left]
        if dead and not living:
            return Revived("LEFT")
        revived = await self._revive(scenario_id, _items(graph, living), scope)
        late = await self._ended_since(scenario_id, graph, revived.ids)
        if not late:
            return revived
        more = await self.redrive(scenario_id, late)
        return replace(revived, ids=[*revived.ids, *more.ids])

    async def _ended_since(self, scenario_id: str, graph: Graph, revived: Sequence[str]) -> list[str]:
        """Tasks that wait for those which live again, and that heard of their end just before that."""
        at = self._store.partitions.of(scenario_id)
        waiting = {consumer for one in revived for consumer in graph[one].consumers if one in graph}
        asked = [one for one in waiting if one in graph and not graph[one].status.is_final]
        if not asked:
            return []
        commands = [("HMGET", at.task(one), *FIELDS) for one in asked]
        found = map(node_of, asked, await self._store.link.execute_many(commands))
        return [node.id for node in found if node.is_dead and node.error_type in CAUSED]

    async def _graph(self, scenario_id: str) -> Graph | None:
        return await read_graph(self._store.link, self._store.partitions.of(scenario_id), scenario_id)

    async def _revive(
        self, scenario_id: str, items: Sequence[Item], scope: Scope, *, begun_by: str = ""
    ) -> Revived:
        """`begun_by`: the caller that began it, so a scenario that ended since stays so.

        A scenario within another one is not done with before the task above it lives again, too: until then the timer of
        `revive.lua` stands, by which the engine goes on when the caller dies, and the scenario does not end.
        """
        above = await self._failed_above(scenario_id)
        caller = _Caller(scenario_id, scope, begun_by or self._store.nonce(), begun=bool(begun_by))
        chunks = list(_chunks(items, self._store.policy.chunk)) or [[]]
        revived = await self._revive_chunks(caller, chunks, more=above is not None)
        if revived.word == "BUSY" and above and len(chunks) == 1:
            # Somebody else is about to do the same: what is left then is not left to us.
            revived = await self._revive_chunks(caller, chunks, more=False)
        if above is None or revived.word != "OK":
            return revived
        found = await self._revive_above(scenario_id, above)
        if found.word != "BUSY":
            await self._revive_chunks(replace(caller, begun=True), [[]], more=False)
        return replace(revived, read=found.read)

    async def _revive_chunks(self, caller: "_Caller", chunks: Sequence[list[Item]], *, more: bool) -> Revived:
        """`more`: something follows the last one."""
        offset, ids = int(caller.begun), list[str]()
        for number, chunk in enumerate(chunks, 1):
            values = self._values(caller, offset=offset, more=more or number < len(chunks))
            word, *found = await self._store.call("revive", values, [part for item in chunk for part in item])
            if word != b"OK":
                return Revived(word.decode(), ids)
            ids += [one.decode() for one in found[0]]
            offset += len(chunk)
        return Revived("OK", ids)

    def _values(self, caller: "_Caller", *, offset: int, more: bool) -> dict[str, str | int]:
        scenario_id, scope = caller.scenario_id, caller.scope
        at = self._store.partitions.of(scenario_id)
        return {
            **{"scenario": at.scenario(scenario_id), "timers": at.timers, "events": at.task_events},
            **{"prefix": at.prefix, "scenario_id": scenario_id, "nonce": self._store.nonce(), "scope": scope},
            **{"offset": offset, "more": int(more), "wait_ms": CARRY_ON_MS},
            "retention": self._store.policy.retention,
            "by": caller.by,
        }


@dataclass(frozen=True, slots=True)
class _Caller:
    """`begun`: it goes on with what has begun."""

    scenario_id: str
    scope: Scope
    by: str
    begun: bool


def _is_undone(graph: Graph) -> bool:
    return any(node.undoes and node.status is Status.SUCCESS for node in graph.values())


def _with_caused(graph: Graph, task_ids: Sequence[str]) -> list[Node]:
    """These tasks, and those downstream that ended because of others."""
    found = {task_id: graph[task_id] for task_id in task_ids if task_id in graph}
    waiting = list(found.values())
    while waiting:
        for consumer in waiting.pop().consumers:
            node = graph.get(consumer)
            if node and node.id not in found and node.is_dead and node.error_type in CAUSED:
                found[node.id] = node
                waiting.append(node)
    return [node for node in found.values() if node.is_dead]


def _items(graph: Graph, dead: Sequence[Node]) -> list[Item]:
    """The tasks to bring back, every one after its parents."""
    chosen = {node.id for node in dead}
    waits = {node.id: {parent.id for parent in node.parents} & chosen for node in dead}
    ready = [node for node in dead if not waits[node.id]]
    items: list[Item] = []
    for node in ready:  # grows
        items.append(_item(graph, node))
        for consumer in node.consumers:
            if node.id in waits.get(consumer, ()):
                waits[consumer].remove(node.id)
                if not waits[consumer]:
                    ready.append(graph[consumer])
    return items


def _item(graph: Graph, node: Node) -> Item:
    others = [parent.id for parent in node.parents if not parent.is_done]
    # Also those that come back with this one: another call may have brought them back since the graph was read.
    recount = [graph[c] for c in node.consumers if c in graph]
    counted = [
        other.id
        for other in recount
        if not other.is_done and (node.rules.get("optional") or other.counts_all)
    ]
    return [node.id, len(node.parents) - len(others), len(others), *others, len(counted), *counted]


def _chunks(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    weight = 0
    for item in items:
        if chunk and (len(chunk) == size or weight + len(item) > IDS_PER_TASK * size):
            yield chunk
            chunk, weight = [], 0
        chunk.append(item)
        weight += len(item)
    if chunk:
        yield chunk
