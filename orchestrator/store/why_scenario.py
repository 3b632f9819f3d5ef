"""Reasons of scenarios as a whole."""

from workers_sdk.protocol.keys import Partition

from .standing import ORCHESTRATOR, Standing, standings_now
from .store import Store
from .why_end import chain, said
from .why_flow import scenario_paused
from .why_records import Case, Reason, json_of, plural


def kind_of(task: Standing) -> str:
    """What an unfinished task waits for, in a word; details are left to its reasons."""
    if task.status == "processing":
        return {ORCHESTRATOR: _held_kind(task), "http": "running_over_http"}.get(task.worker, "running")
    if task.waits_for > 0:
        return "waits_for_children" if task.group else "waits_for_tasks"
    if task.token:
        return {"queued": "queued", "taken": "running"}.get(task.entry_state, "report_on_its_way")
    if task.waiting_place:
        return {"lane": "waits_in_lane", "parked": "waits_for_key"}.get(
            task.waiting_place.partition(":")[0], "held"
        )
    return "waits_for_time" if task.start else "waits_for_engine"


def _held_kind(task: Standing) -> str:
    known = {"gate": "gate", "scenario": "sub_scenario", "machine": "state_machine"}
    return known.get(task.held_for.partition(" ")[0], "held_by_orchestrator")


async def about_scenario(store: Store, at: Partition, known: dict[str, str]) -> list[Reason]:
    """What is to be said of a scenario itself; of its tasks others speak."""
    if known["status"] not in ("pending", "processing"):
        return await _ended(store, at, known)
    reasons = []
    if known["cancel"]:
        facts = json_of(known["cancel"]) or {}
        reasons.append(Reason("cancelling", f"it is being cancelled: {facts.get('message', '')}", facts))
    if pause := scenario_paused(known):
        reasons.append(pause)
    if known["revive"]:
        reasons.append(Reason("reviving", "what failed of it is being brought back"))
    if _made(known) < _planned(known) and not known["cancel"]:
        reasons += await _not_made(store, at, known)
    return reasons


def _made(known: dict[str, str]) -> int:
    return int(known["materialized"] or 0)


def _planned(known: dict[str, str]) -> int:
    """Tasks that it was submitted with."""
    return int(known["total"] or 0) - int(known["spawned"] or 0)


async def _not_made(store: Store, at: Partition, known: dict[str, str]) -> list[Reason]:
    """Not all of its tasks were made."""
    rank, submissions = await store.link.execute_many(
        [("ZRANK", at.index_of("pending"), known["scenario_id"]), ("XLEN", at.scenarios)]
    )
    made, planned = _made(known), _planned(known)
    facts = {"made": made, "planned": planned, "behind": rank or 0, "submissions": submissions}
    if not submissions:
        text = f"{made} of {plural(planned, 'task')} were made and its submission is gone: `scenarist fsck` has more"
        return [Reason("lost", text, facts)]
    if made:
        return [Reason("materializing", f"{made} of its {planned} tasks were made", facts)]
    text = f"none of its {plural(planned, 'task')} was made yet; it is behind {plural(rank or 0, 'scenario')}"
    return [Reason("not_materialized", text, facts)]


async def _ended(store: Store, at: Partition, known: dict[str, str]) -> list[Reason]:
    error = json_of(known["error"])
    facts = {"at": known["finished_at"], "error": error}
    text = f"it ended as {known['status']} at {known['finished_at']}"
    reasons = [Reason("ended", f"{text}: {said(error)}" if error else text, facts)]
    cause_id = error.get("task_id") if isinstance(error, dict) else None
    if not isinstance(cause_id, str) or len(cause_id) != len(known["scenario_id"]):
        return reasons
    now_ms, [task] = await standings_now(store, at, [cause_id])
    if task is None:
        return reasons
    case = Case(store, at, task, now_ms, 0, None, known)
    value = await store.link.execute("HGET", at.task(cause_id), "error")
    own = json_of((value or b"").decode(errors="replace"))
    first = {"id": task.task_id, "name": task.name, "service": task.service, "status": task.status}
    text = f"because {task.name} ({task.task_id}) {task.status}: {said(own)}"
    return [*reasons, Reason("caused_by", text, {"task": first, "error": own}), *await chain(case, task, own)]
