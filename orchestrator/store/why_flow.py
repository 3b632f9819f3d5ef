"""Reasons of ready tasks that flow control holds back."""

from collections.abc import Sequence
from typing import Any

from workers_sdk.protocol.link import Link

from .flow import ALL
from .why_queue import no_worker, queue_of
from .why_records import SHOWN, Case, Reason, iso, json_of, plural, span

Json = Any


async def in_lane(case: Case, tenant: str) -> list[Reason]:
    """It waits in the lane of its tenant until its service may have more."""
    service = case.task.service
    settings = await _settings(case)
    paused, place = _paused(settings, service), await _place(case, tenant)
    limits = await _limits(case, settings.get(service))
    queue = await queue_of(case, service)
    if paused or not queue.waiting:
        return [*paused, *limits, place]
    if not limits:
        text = f"the queue of {service} holds {plural(queue.waiting, 'task')} that no worker has; it is kept short"
        limits = [Reason("queue_full", text, {"waiting": queue.waiting})]
    return [*no_worker(case, queue), *limits, place]


async def parked(case: Case, key: str) -> list[Reason]:
    """It waits for a limit of its key."""
    given = case.task.rules.get("flow", {})
    service = case.task.service
    slots, place = case.at.slots(service, key), case.at.parked(service, key)
    taken, holders, tat, rank, length = await case.link.execute_many(
        [
            ("SCARD", slots),
            ("SRANDMEMBER", slots, SHOWN),
            ("GET", case.at.rate(service, key)),
            ("ZRANK", place, case.task.task_id),
            ("ZCARD", place),
        ]
    )
    facts = {"key": key, "position": (rank or 0) + 1, "of": length}
    where = f"it is {facts['position']} of {length} in line for that"
    reasons = []
    if given.get("max") and taken >= given["max"]:
        text = f"{taken} of {given['max']} tasks of {service} with the key {key} that may be out are out; {where}"
        tasks = await _briefs(case, holders)
        reasons.append(
            Reason("key_limit", text, {**facts, "max": given["max"], "out": taken, "holders": tasks})
        )
    if given.get("rate") and (due := _due_ms(case, given["rate"], tat)):
        reasons.append(_rate_reason(case, "key_rate", f"tasks with the key {key}", given["rate"], due, facts))
    return reasons or [Reason("key_turn", f"the limits of its key {key} allow it now: {where}", facts)]


async def held(case: Case) -> list[Reason]:
    """Its scenario is paused, or was until a moment ago."""
    rank, length = await case.link.execute_many(
        [
            ("ZRANK", case.at.held(case.task.scenario_id), case.task.task_id),
            ("ZCARD", case.at.held(case.task.scenario_id)),
        ]
    )
    if reason := scenario_paused(case.scenario):
        return [reason]
    facts = {"position": (rank or 0) + 1, "of": length}
    return [
        Reason(
            "resuming",
            f"its scenario was resumed; it is {facts['position']} of {length} to be handed out",
            facts,
        )
    ]


def scenario_paused(scenario: dict[str, str]) -> Reason | None:
    """The pause of a scenario."""
    if not scenario.get("paused"):
        return None
    facts = json_of(scenario["paused"]) or {}
    above = facts.get("scenario_id")
    what = (
        f"the scenario {above}, which its scenario is a part of, is paused"
        if above
        else "its scenario is paused"
    )
    return Reason("scenario_paused", _pause_text(what, facts), facts)


async def _settings(case: Case) -> dict[str, Json]:
    service = case.task.service
    names = (ALL, f"{service}:paused", service)
    values = await case.link.execute("HMGET", case.at.flow, *names)
    return {name: json_of(value.decode()) for name, value in zip(names, values, strict=True) if value}


def _paused(settings: dict[str, Json], service: str) -> list[Reason]:
    reasons = []
    if (facts := settings.get(ALL)) is not None:
        reasons.append(Reason("everything_paused", _pause_text("all services are paused", facts), facts))
    if (facts := settings.get(f"{service}:paused")) is not None:
        reasons.append(
            Reason("service_paused", _pause_text(f"the service {service} is paused", facts), facts)
        )
    return reasons


def _pause_text(what: str, facts: dict[str, Json]) -> str:
    by = f" by {facts['by']}" if facts.get("by") else ""
    reason = f": {facts['reason']}" if facts.get("reason") else ""
    return f"{what}{by} since {facts.get('at', '?')}{reason}"


async def _limits(case: Case, settings: Json) -> list[Reason]:
    """Limits of the whole service that are reached."""
    service, slots = case.task.service, case.at.slots(case.task.service)
    if not settings:
        return []
    taken, holders, tat = await case.link.execute_many(
        [("SCARD", slots), ("SRANDMEMBER", slots, SHOWN), ("GET", case.at.rate(service))]
    )
    reasons = []
    if (limit := settings.get("concurrency")) and taken >= limit:
        facts = {"limit": limit, "out": taken, "holders": await _briefs(case, holders)}
        who = ", ".join(f"{one['name']} ({one['worker'] or one['status']})" for one in facts["holders"])
        text = f"{taken} of {limit} tasks of {service} that may be out are out: {who}"
        reasons.append(Reason("concurrency_limit", text, facts))
    if (rate := settings.get("rate")) and (due := _due_ms(case, rate, tat)):
        reasons.append(_rate_reason(case, "rate_limit", f"tasks of {service}", rate, due, {}))
    return reasons


def _due_ms(case: Case, rate: dict[str, int], tat: bytes | None) -> float | None:
    """When the next token comes, if there is none now; as in the fragment limits."""
    slack = (rate.get("burst", 1) - 1) * rate["per_ms"] / rate["count"]
    due = float(tat or 0) - slack
    return due if due > case.now_ms else None


def _rate_reason(
    case: Case, code: str, what: str, rate: dict[str, int], due: float, facts: dict[str, Json]
) -> Reason:
    allowed = f"{rate['count']} per {span(rate['per_ms'])}"
    text = f"{what} may begin at {allowed}: the next one in {span(case.in_ms(due))}"
    return Reason(code, text, {**facts, "rate": rate, "at": iso(due), "in_ms": case.in_ms(due)})


async def _place(case: Case, tenant: str) -> Reason:
    service = case.task.service
    lane, lanes = case.at.lane(service, tenant), case.at.lanes(service)
    rank, length, tenants = await case.link.execute_many(
        [("ZRANK", lane, case.task.task_id), ("ZCARD", lane), ("ZCARD", lanes)]
    )
    facts = {"tenant": tenant, "position": (rank or 0) + 1, "of": length, "tenants": tenants}
    whose = "" if tenant == "-" else f" of the tenant {tenant}"
    turns = f", which takes turns with {plural(tenants - 1, 'other')}" if tenants > 1 else ""
    text = f"it is {facts['position']} of {length} in the lane{whose}{turns}"
    return Reason("waits_in_lane", text, facts)


async def _briefs(case: Case, holders: Sequence[bytes]) -> list[dict[str, str]]:
    return await briefs(case.link, [case.at.task(one.decode()) for one in holders])


async def briefs(link: Link, keys: Sequence[str]) -> list[dict[str, str]]:
    """Tasks that hold what others wait for."""
    names = ("id", "name", "status", "worker", "started_at")
    replies = await link.execute_many([("HMGET", key, *names) for key in keys])
    return [
        {name: (value or b"").decode(errors="replace") for name, value in zip(names, values, strict=True)}
        for values in replies
    ]
