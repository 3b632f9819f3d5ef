"""Cases of the scripts for batches, for what is to be safe on disk, and for the end of scenarios.

`submit` has two ways in: its case in `cases.py` is the plain one with an idempotency key, this module makes it a line of a
batch as well by running the plain case first.
"""

from tests.integration.scripts.cases import OTHER, SCENARIO, Case, case, scenario
from workers_sdk.protocol.link import Link

BATCH_KEYS = {"batch": f"batch:{OTHER}", "members": f"batch-scenarios:{OTHER}"}


@case
async def begin_purge(link: Link) -> Case:
    await scenario(link, failed=1)
    await link.execute("HSET", f"scenario:{SCENARIO}", "status", "failed", "reruns", OTHER)
    await link.execute("ZADD", "timers", 1, f"purge:{SCENARIO}")
    values = {"timers": "timers", "prefix": "", "scenario_id": SCENARIO}
    return Case({**values, "hold_ms": 60_000, "wait_ms": 3_600_000})


@case
async def barrier(_link: Link) -> Case:
    return Case({"barrier": "barrier", "keep_ms": 60_000})


@case
async def close_batch(_link: Link) -> Case:
    return Case({**BATCH_KEYS, "lines": 3, "keep_ms": 60_000})


@case
async def cancel_batch(link: Link) -> Case:
    """One of its scenarios runs, one is gone."""
    await scenario(link, processing=1)
    await link.execute("HSET", f"batch:{OTHER}", "total", 2)
    await link.execute("ZADD", f"batch-scenarios:{OTHER}", 1, SCENARIO, 2, OTHER)
    values = {"timers": "timers", "prefix": "", "batch_id": OTHER, "cause": '{"type":"cancelled"}'}
    return Case({**BATCH_KEYS, **values, "limit": 100})
