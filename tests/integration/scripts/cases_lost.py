"""Cases of attempts whose process died."""

from tests.integration.scripts.cases import (
    CASES,
    LOST,
    TEXT,
    TOKEN,
    Case,
    entry,
    scenario,
    task,
    under_limits,
)
from workers_sdk.protocol.link import Link


async def died(link: Link) -> Case:
    """One that begins anew, and one that has died too often."""
    await scenario(link, processing=2)
    for task_id in (TEXT, LOST):
        await task(link, task_id, "text-service", "processing", worker="w1")
        await entry(link, task_id, "text-service", delivered_to="w1")
    await link.execute("HSET", f"task:{LOST}", "lost", 2)
    await under_limits(link, "text-service", TEXT, LOST)
    await link.execute("XGROUP", "CREATE", "task-events", "orchestrator", "0", "MKSTREAM")
    brought = (await link.execute("XADD", "task-events", "*", "task_id", TEXT)).decode()
    await link.execute("XREADGROUP", "GROUP", "orchestrator", "o1", "STREAMS", "task-events", ">")
    values = {"events": "task-events", "timers": "timers", "cancellations": "cancellations", "prefix": ""}
    groups = {"group": "orchestrator", "workers": "workers", "nonce": "n3", "budget": 100}
    more = {"retention": "1000 2000 3000", "lease_ms": 1000, "chance": 0, "entries": brought}
    said = ("retry", "lost 3", "error", '{"type":"worker_lost"}', "fingerprint", "0af")
    reports = [[task_id, "failed", TOKEN, "stream", 0, len(said), *said] for task_id in (TEXT, LOST)]
    return Case({**values, **groups, **more}, [*reports[0], *reports[1]])


CASES["advance:died"] = died
