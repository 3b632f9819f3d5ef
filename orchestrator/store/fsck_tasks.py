"""Faults of single tasks: each that has not ended stands where something will move it on, and one that has leaves nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from workers_sdk.protocol.keys import Partition

from .fsck_records import NOW, FailTask, Fault, Mend, MendMember, MendTask
from .standing import ORCHESTRATOR, Standing

ENDS: Final = ("success", "failed")
_WITH: Final = ("queued", "taken")
"""States of an entry that a worker has or will get."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What must be known beside a task.

    Attributes:
        http_lease_ms, now_ms: for a lease that is lost.
        cancelling: its scenario is being cancelled.
        state_tasks: task that carries states -> how many tasks the state has that it is in.
    """

    at: Partition
    now_ms: int
    http_lease_ms: int
    cancelling: bool = False
    state_tasks: Mapping[str, int] = field(default_factory=dict)


def faults_of_task(task: Standing, scene: Scene) -> Iterator[Fault]:
    """Faults of a task, but for what it waits for."""
    if task.is_final:
        yield from _of_ended(task)
    elif not scene.cancelling or task.is_last:
        yield from _of_any(task, scene)
        yield from (_of_pending(task) if task.status == "pending" else _of_processing(task, scene))


def fault(
    task: Standing,
    kind: str,
    message: str,
    mend: Mend | None,
    unless: tuple[str, ...] = (),
    token: str | None = None,
) -> Fault:
    """A fault of a task."""
    said = f"{task.name} ({task.status}): {message}"
    return Fault(kind, task.task_id, said, tuple(task.texts), mend, unless, token)


def _of_any(task: Standing, scene: Scene) -> Iterator[Fault]:
    if task.service != ORCHESTRATOR and task.served != "1":
        text = f"nobody looks after the service {task.service}: lost workers of it would not be noticed"
        yield fault(task, "service_unknown", text, MendTask("serve"))
    for name, is_there in task.places:
        if name.startswith("slots:") and not is_there:
            text = f"it does not stand in {name}, so one more than allowed may begin"
            yield fault(task, "slot_lost", text, MendTask("slot", text=name))
    if _is_watched(task) and not task.overdue:
        seen = ("status", task.status, "token", task.token)
        mend = _timer(scene, task, f"overdue:{task.task_id}", NOW, seen)
        yield fault(task, "timer_lost", "nobody watches its timeouts", mend)


def _is_watched(task: Standing) -> bool:
    """Whether a timeout runs: of one that is handed out, or waits for that, or runs."""
    bounds: Mapping[str, int] = task.rules.get("timeouts") or {}
    if task.worker == ORCHESTRATOR or not (task.token or task.flow_places):
        return False
    running = bool(bounds.get("run_ms") or bounds.get("heartbeat_ms") or bounds.get("total_ms"))
    return running or (task.status == "pending" and bool(bounds.get("queue_ms")))


def _timer(scene: Scene, task: Standing, timer: str, score: int, seen: tuple[str, ...]) -> MendMember:
    return MendMember(scene.at.timers, scene.at.task(task.task_id), timer, score, seen)


def _of_pending(task: Standing) -> Iterator[Fault]:
    if task.waits_for > 0:
        if task.written < task.children:
            text = f"{task.written} of its {task.children} child tasks were made, and nobody makes the others"
            ours = "foreach" in task.asked_for.split()  # else a report said which
            mend = (
                MendTask("look")
                if ours
                else FailTask("children_lost", "the tasks that it asked for were lost")
            )
            yield fault(task, "children_lost", text, mend, ("look", "success"))
    elif task.token:
        yield from _of_handed_out(task)
    elif task.waiting_place:
        if not all(is_there for _, is_there in task.places):
            text = f"it does not stand in {task.waiting_place}, where it waits"
            yield fault(task, "place_lost", text, MendTask("again"))
    elif not task.start:
        yield from _of_ready(task)


def _of_ready(task: Standing) -> Iterator[Fault]:
    if task.rules.get("ask") or task.group or task.service == ORCHESTRATOR:
        yield fault(
            task,
            "look_lost",
            "it is ready, and the engine was not asked about it",
            MendTask("look"),
            ("look",),
        )
    else:
        yield fault(task, "dispatch_lost", "it is ready, and was not handed out", MendTask("again"))


def _of_handed_out(task: Standing) -> Iterator[Fault]:
    if task.entry_state not in _WITH:
        text = {"acked": "its entry was acknowledged by somebody else"}.get(
            task.entry_state, "its entry is gone"
        )
        yield fault(task, "entry_lost", text, MendTask("again"), ENDS, task.token)


def _of_processing(task: Standing, scene: Scene) -> Iterator[Fault]:
    if task.worker == ORCHESTRATOR:
        yield from _of_held(task, scene)
    elif task.worker == "http":
        if not task.lease:
            seen = ("status", task.status, "token", task.token, "worker", task.worker)
            mend = _timer(scene, task, f"lease:{task.task_id}", scene.now_ms + scene.http_lease_ms, seen)
            yield fault(task, "timer_lost", "its lease would never end", mend, ENDS, task.token)
    else:
        yield from _of_handed_out(task)


def _of_held(task: Standing, scene: Scene) -> Iterator[Fault]:
    what, *state = task.held_for.split(" ")
    if what == "gate":
        yield from _of_gate(task, scene, *state)
    elif what == "scenario" and state[0] not in ("pending", "processing"):
        text = f"its scenario is {state[0]}, and the engine was not asked about it"
        yield fault(task, "look_lost", text, MendTask("look"), ("look",))
    elif what == "machine":
        yield from _of_machine(task, scene, state)
    elif not what and ("gate" in task.asked_for.split() or "scenario" in task.asked_for.split()):
        text = "the engine holds it, and what it waits for is gone"
        yield fault(task, "hold_lost", text, MendTask("reset"), (*ENDS, "look"))


def _of_gate(task: Standing, scene: Scene, state: str, deadline_ms: str) -> Iterator[Fault]:
    if state != "mine":
        text = f"its gate is {state}, and nobody reported that"
        yield fault(task, "hold_lost", text, MendTask("reset"), ENDS, task.token)
        return
    gate, seen = scene.at.gate(task.task_id), ("state", "open", "token", task.token)
    if task.listed_gate != "1":
        mend = MendMember(scene.at.gates, gate, task.task_id, NOW, seen)
        yield fault(task, "gate_unlisted", "its gate is not in the list of open gates", mend)
    if deadline_ms != "0" and not task.gate_timer:
        mend = MendMember(scene.at.timers, gate, f"gate:{task.task_id}", int(deadline_ms), seen)
        yield fault(task, "timer_lost", "nobody watches the deadline of its gate", mend)


def _of_machine(task: Standing, scene: Scene, known: list[str]) -> Iterator[Fault]:
    state, outcome, written, until_ms, timer = [*known, "-", "-", "-", "-"][:5]
    made = 0 if written == "-" else int(written)
    if state == "none" or outcome != "-" or made < scene.state_tasks.get(task.task_id, 0):
        text = "its state asks for something, and the engine was not asked about it"
        yield fault(task, "look_lost", text, MendTask("look"), ("look",))
    elif until_ms not in ("-", "0") and timer == "-":
        machine = scene.at.machine(task.scenario_id)
        seen = ("state", state, "until_ms", until_ms)
        mend = MendMember(scene.at.timers, machine, f"state:{task.scenario_id}", int(until_ms), seen)
        yield fault(task, "timer_lost", "nobody watches the time of its state", mend)


def _of_ended(task: Standing) -> Iterator[Fault]:
    leave = MendTask("leave")
    if task.is_late and task.is_over:
        text = "those that wait for it were not told of its end, though what was below it has ended"
        yield fault(task, "release_lost", text, MendTask("look"), ("look", "release"))
    elif task.released and not task.is_late:
        text = "some of those that wait for it were not told of its end"
        yield fault(task, "release_lost", text, MendTask("release"), ("release",))
    if task.entry_state in ("queued", "taken", "acked"):
        yield fault(task, "entry_left", f"its entry {task.entry} is still in the queue", leave)
    if task.flow_places:
        where = ", ".join(name for name, _ in task.places)
        yield fault(task, "place_left", f"it still stands in {where}", leave)
    if task.start or task.lease or task.overdue:
        yield fault(task, "timer_left", "timers of it are left", leave)
    if task.listed_dead == "0":
        yield fault(task, "letter_lost", "it is a dead letter and not listed as one", MendTask("letter"))
