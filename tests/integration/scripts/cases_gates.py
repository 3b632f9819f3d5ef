"""Cases of the scripts of gates."""

from tests.integration.scripts.cases import TEXT, TOKEN, Case, case, scenario, task
from workers_sdk.protocol.link import Link

GATE = f"gate:{TEXT}"
KEYS = {
    "gate": GATE,
    "task": f"task:{TEXT}",
    "gates": "gates",
    "timers": "timers",
    "events": "task-events",
    "audit": f"audit:{TEXT}",
}
VOTE = '{"by":"ann","decision":"approve"}'
OUTCOME = '{"decision":"approve","value":1}'


async def opened(link: Link, deadline_ms: int) -> None:
    """An open gate that one person has voted on."""
    await scenario(link, processing=1)
    await task(link, TEXT, "orchestrator", "processing", worker="orchestrator")
    votes = '[{"by":"bob","decision":"approve","at":"t"}]'
    flat = f"state open token {TOKEN} version 1 revision 0 value 1 deadline_ms {deadline_ms}".split()
    await link.execute("HSET", GATE, *flat, "votes", votes)
    await link.execute("ZADD", "gates", 1, TEXT)
    await link.execute("ZADD", "timers", deadline_ms, f"gate:{TEXT}")
    await link.execute("RPUSH", f"audit:{TEXT}", '{"what":"opened"}')


@case
async def open_gate(link: Link) -> Case:
    """One that was open in an earlier run of its task."""
    await scenario(link, pending=1)
    await task(link, TEXT, "orchestrator", "pending")
    await link.execute("HSET", f"task:{TEXT}", "token", "")
    await link.execute("HSET", GATE, "state", "rejected", "used:n", "t")
    values = {"prefix": "", "task_id": TEXT, "nonce": "n7", "facts": '{"title":""}'}
    more = {"draft": "null", "wait_ms": 1000, "error": ""}
    return Case({**KEYS, **values, **more})


@case
async def vote(link: Link) -> Case:
    """The one that decides it, by a link, with another value."""
    await opened(link, 9_000_000_000_000)
    values = {"task_id": TEXT, "version": 1, "vote": VOTE, "note": '{"what":"approve"}', "votes": "[]"}
    more = {"value": "2", "state": "approved", "outcome": OUTCOME, "error": "", "link": "n8"}
    return Case({**KEYS, **values, **more, "until_ms": 9_000_000_000_000})


@case
async def close_gate(link: Link) -> Case:
    await opened(link, 1)
    values = {"task_id": TEXT, "version": 1, "note": '{"what":"deadline"}', "votes": "[]"}
    error = '{"type":"gate_timeout"}'
    return Case({**KEYS, **values, "state": "expired", "outcome": OUTCOME, "error": error})


@case
async def gate_secret(link: Link) -> Case:
    return Case({"secret": "scenarist:gate-secret", "fresh": "x" * 32})
