"""What can be seen of a whole system from outside, all of it at one moment, and what must hold of it at every moment."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.support.whole_templates import MAX_OF, RATE, SERVICES
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Link
from workers_sdk.protocol.messages import loads

Hash = dict[str, str]
LIVE: Final = ("pending", "processing")
FINAL: Final = ("success", "failed", "skipped", "cancelled")
_OF_AN_END: Final = ("status", "result", "error", "finished_at")


@dataclass
class State:
    """Everything there is in a partition, or in all. `queued` and `reported`: (task id, token) of what stands in queues, and of
    reports; `inbox`: how many submissions wait; `machines`, `ways`: of scenarios with states, where each stands and its history."""

    now: int
    scenarios: dict[str, Hash]
    tasks: dict[str, Hash]
    timers: dict[str, int]
    gates: list[str]
    flow: Hash
    queued: list[tuple[str, str]]
    reported: set[tuple[str, str]]
    inbox: int
    machines: dict[str, Hash]
    ways: dict[str, list[dict[str, Any]]]
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    """Of each task, those that it waits for by the graph; tasks that were added to it are none of them."""

    def of(self, scenario_id: str) -> list[str]:
        """Ids of the tasks of a scenario that are written."""
        return [one for one in loads(self.scenarios[scenario_id]["task_ids"]) if one in self.tasks]

    def is_handed_out(self, task_id: str) -> bool:
        """Whether a worker may do it, or does."""
        task = self.tasks[task_id]
        return task["status"] in LIVE and task.get("token", "") != "" and task.get("worker") != "orchestrator"


_ALL: Final = """
local prefix, indexes, services = ARGV[1], ARGV[2], ARGV[3]
local scenarios, tasks, queues, machines = {}, {}, {}, {}
for status in string.gmatch(indexes, '%S+') do
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'index:' .. status, 0, -1)) do
    local hash = redis.call('HGETALL', prefix .. 'scenario:' .. id)
    scenarios[#scenarios + 1] = {id, hash}
    local way = redis.call('LRANGE', prefix .. 'history:' .. id, 0, -1)
    if #way > 0 then machines[#machines + 1] = {id, redis.call('HGETALL', prefix .. 'machine:' .. id), way} end
    for _, one in ipairs(cjson.decode(redis.call('HGET', prefix .. 'scenario:' .. id, 'task_ids'))) do
      tasks[#tasks + 1] = {one, redis.call('HGETALL', prefix .. 'task:' .. one)}
    end
  end
end
for service in string.gmatch(services, '%S+') do
  for _, entry in ipairs(redis.call('XRANGE', prefix .. 'queue:' .. service, '-', '+')) do queues[#queues + 1] = entry end
end
return {scenarios, tasks, redis.call('ZRANGE', prefix .. 'timers', 0, -1, 'WITHSCORES'), redis.call('ZRANGE', prefix .. 'gates', 0, -1),
  redis.call('HGETALL', prefix .. 'flow'), queues, redis.call('XRANGE', prefix .. 'task-events', '-', '+'),
  redis.call('XLEN', prefix .. 'scenarios'), machines}
"""


async def state_of(link: Link, at: Partition, now: int) -> State:
    """Read everything of a partition, in one call."""
    names = (at.prefix, " ".join((*LIVE, *FINAL)), " ".join(SERVICES))
    scenarios, tasks, timers, gates, flow, queues, events, inbox, machines = await link.execute(
        "EVAL", _ALL, 0, *names
    )
    state = State(
        now,
        {one.decode(): _hash(flat) for one, flat in scenarios},
        {one.decode(): _hash(flat) for one, flat in tasks if flat},
        {name.decode(): int(float(score)) for name, score in zip(timers[::2], timers[1::2], strict=True)},
        [one.decode() for one in gates],
        _hash(flow),
        [_id_and_token(flat, b"id") for _, flat in queues],
        {_id_and_token(flat, b"task_id") for _, flat in events},
        inbox,
        {one.decode(): _hash(flat) for one, flat, _ in machines},
        {one.decode(): [loads(note.partition(b" ")[2]) for note in way] for one, _, way in machines},
    )
    _read_graphs(state)
    return state


def merged(parts: Sequence[State]) -> State:
    """All partitions as one, to choose from. What has the same name in all of them is that of the last."""
    whole = replace(parts[0])
    for part in parts[1:]:
        for name in ("scenarios", "tasks", "timers", "machines", "ways", "rules", "parents", "flow"):
            setattr(whole, name, getattr(whole, name) | getattr(part, name))
        for name in ("gates", "queued", "inbox"):
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        whole.reported = whole.reported | part.reported
    return whole


def _hash(flat: Sequence[bytes]) -> Hash:
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _id_and_token(flat: Sequence[bytes], name: bytes) -> tuple[str, str]:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return fields[name].decode(), fields.get(b"token", b"").decode()


def _read_graphs(state: State) -> None:
    for task_id, task in state.tasks.items():
        state.rules[task_id] = loads(task["rules"]) if task.get("rules") else {}
        state.parents.setdefault(task_id, [])
    for task_id, task in state.tasks.items():
        for consumer in loads(task["consumers"]):
            if state.rules[task_id].get("child") != consumer:
                state.parents.setdefault(consumer, []).append(task_id)


def is_good(state: State, task_id: str) -> bool:
    """Whether the end of a task counts as a success for those that wait for it."""
    status = (
        state.tasks[task_id]["status"] if task_id in state.tasks else "success"
    )  # a copy that is not written yet
    return status == "success" or (
        status in ("failed", "skipped") and bool(state.rules[task_id].get("optional"))
    )


def may_start(state: State, task_id: str) -> bool:
    """The rules of joins, in plain words: whether the parents of a task allow it to begin."""
    rules, parents = state.rules[task_id], state.parents[task_id]
    if need := rules.get("need"):
        return sum(is_good(state, parent) for parent in parents) >= int(need)
    if rules.get("all_done"):
        ended = all(parent not in state.tasks or state.tasks[parent]["status"] in FINAL for parent in parents)
        return ended and (
            "finally" not in rules or _all_ordinary_ended(state, state.tasks[task_id]["scenario_id"])
        )
    return all(is_good(state, parent) for parent in parents)


def _all_ordinary_ended(state: State, scenario_id: str) -> bool:
    """A child of a task that has ended is none: it is about to be cancelled, or somebody redrove it alone."""
    ordinary = [
        one
        for one in state.of(scenario_id)
        if "finally" not in state.rules[one] and not is_left_over(state, one)
    ]
    return all(state.tasks[one]["status"] in FINAL for one in ordinary)


def is_left_over(state: State, task_id: str) -> bool:
    """Whether what it is a child of has ended."""
    parent = state.rules[task_id].get("child")
    return parent in state.tasks and state.tasks[parent]["status"] in FINAL


def check_queues(state: State) -> None:
    """What stands in a queue is the only attempt of its task, and what was handed out stands there or was reported."""
    assert len({task_id for task_id, _ in state.queued}) == len(state.queued), "a task stands in queues twice"
    for task_id, token in state.queued:
        task = state.tasks[task_id]
        assert task["status"] in LIVE, f"an ended task stands in a queue: {task}"
        assert task.get("token") == token, f"a former attempt stands in a queue: {task}"
    there = {*state.queued, *state.reported}
    for task_id, task in state.tasks.items():
        if state.is_handed_out(task_id):
            leased = task.get("worker") == "http" and f"lease:{task_id}" in state.timers
            assert leased or (task_id, task["token"]) in there, f"nobody can get this task: {task}"


def check_counts(state: State) -> None:
    """The counts of scenarios are those of their tasks, and a scenario ends with the last of them."""
    for scenario_id, scenario in state.scenarios.items():
        counts = {status: int(scenario.get(status, 0)) for status in (*LIVE, *FINAL)}
        written = Counter(state.tasks[one]["status"] for one in state.of(scenario_id))
        total = int(scenario["total"])
        assert sum(counts.values()) == total == len(loads(scenario["task_ids"])), scenario
        if sum(written.values()) == total:
            assert dict(written) == {status: n for status, n in counts.items() if n}, (scenario, written)
        assert all(counts[status] >= n for status, n in written.items()), (scenario, written)
        tolerated = [
            one
            for one in state.of(scenario_id)
            if state.tasks[one]["status"] == "failed" and {"optional", "tolerated"} & state.rules[one].keys()
        ]
        assert int(scenario.get("tolerated", 0)) == len(tolerated), (scenario, tolerated)
        _check_status(scenario, counts)


def _check_status(scenario: Hash, counts: Mapping[str, int]) -> None:
    alive = counts["pending"] + counts["processing"]
    if scenario["status"] in LIVE:
        assert alive or "revive" in scenario, f"all has ended, but not the scenario: {scenario}"
        return
    assert not alive, f"a scenario ended before its tasks: {scenario}"
    by_tasks = "cancelled" if counts["cancelled"] else "success"
    failed = counts["failed"] > int(scenario.get("tolerated", 0))
    expected = (
        "cancelled" if "cancel" in scenario else scenario.get("outcome") or ("failed" if failed else by_tasks)
    )
    assert scenario["status"] == expected, scenario


def check_change(before: State, now: State, revived: Iterable[str]) -> None:
    """What has ended stays as it is, but for what was brought back; what begins was allowed to."""
    for task_id, task in now.tasks.items():
        old = before.tasks.get(task_id, {})
        if old.get("status") in FINAL:
            changed = {
                name: (old.get(name), task.get(name))
                for name in _OF_AN_END
                if old.get(name) != task.get(name)
            }
            lives = task["scenario_id"] in revived and old["status"] != "success"
            assert not changed or lives, f"{task_id} had ended, and changed: {changed}"
        if _is_ready(task) and not _is_ready(old):
            assert may_start(now, task_id), f"{task_id} must not begin: {_explained(now, task_id)}"
    for scenario_id, old in before.scenarios.items():
        if old["status"] in FINAL and scenario_id in now.scenarios:
            same = now.scenarios[scenario_id]["status"] == old["status"]
            assert same or scenario_id in revived, f"{scenario_id} had ended as {old['status']}"


def _is_ready(task: Hash) -> bool:
    return task.get("status") in LIVE and task["queue"] == "0" and "group" not in task


def _explained(state: State, task_id: str) -> list[Any]:
    of = [(state.tasks.get(one, {}).get("status"), state.rules.get(one)) for one in state.parents[task_id]]
    return [state.tasks[task_id], state.rules[task_id], of]


def check_limits(state: State) -> None:
    """No more tasks of a key are out than may be."""
    out = Counter(
        (task["service"], state.rules[task_id]["flow"]["key"])
        for task_id, task in state.tasks.items()
        if state.is_handed_out(task_id) and "key" in state.rules[task_id].get("flow", {})
    )
    for (service, key), n in out.items():
        assert n <= MAX_OF[key], f"{n} tasks of {service} {key} are out"


@dataclass
class Starts:
    """Handed out attempts of the key with a rate, per service, in the order of time."""

    known: set[tuple[str, str]] = field(default_factory=set)
    times: dict[str, list[int]] = field(default_factory=dict)

    def note(self, state: State) -> None:
        """Note new ones, and check that there are not too many within any time."""
        for task_id, task in state.tasks.items():
            flow, one = state.rules[task_id].get("flow", {}), (task_id, task.get("token", ""))
            if state.is_handed_out(task_id) and "rate" in flow and one not in self.known:
                self.known.add(one)
                self.times.setdefault(task["service"], []).append(state.now)
        for service, times in self.times.items():
            for first, begin in enumerate(times):
                for last in range(first, len(times)):
                    most = RATE["burst"] + (times[last] - begin) / RATE["per_ms"]
                    assert last - first + 1 <= most, f"the rate of {service} is exceeded: {times}"


@dataclass
class Delays:
    """Since when tasks that begin later were free to begin."""

    free: dict[str, int] = field(default_factory=dict)

    def note(self, state: State, revived: Iterable[str]) -> None:
        """Note it, and check that none began too early. What was brought back does not wait again."""
        for task_id, task in state.tasks.items():
            delay_ms = loads(task.get("on_ready") or "{}").get("delay_ms", 0)
            if not delay_ms or task["scenario_id"] in revived or "group" in task:
                continue
            if task.get("token"):
                assert state.now >= self.free.get(task_id, state.now) + delay_ms, (
                    f"it began too early: {task}"
                )
            elif not may_start(state, task_id):
                self.free.pop(task_id, None)
            else:
                self.free.setdefault(task_id, state.now)
