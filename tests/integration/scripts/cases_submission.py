"""Cases of the scripts for batches, for what is to be safe on disk, and for the end of scenarios."""

from tests.integration.scripts.cases import CASES, OTHER, SCENARIO, TEXT, VOICE, Case, case, scenario, submit
from workers_sdk.protocol.link import Link

BATCH_KEYS = {"batch": f"batch:{OTHER}", "members": f"batch-scenarios:{OTHER}"}


@case
async def begin_purge(link: Link) -> Case:
    await scenario(link, failed=1)
    await link.execute("HSET", f"scenario:{SCENARIO}", "status", "failed", "reruns", OTHER, "parent", TEXT)
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


async def submit_line(link: Link) -> Case:
    """A line of a batch, of a tenant, that runs another scenario anew."""
    plain = await submit(link)
    await link.execute("HSET", f"scenario:{VOICE}", "status", "failed")
    more = {"tenant": "acme", "tenant_most": 2, "batch": OTHER, "line": 7, "origin": VOICE}
    return Case({**plain.values, **more}, plain.rest)


async def submit_within(link: Link) -> Case:
    """The work of a task of a paused scenario."""
    plain = await submit(link)
    await link.execute("HSET", f"task:{TEXT}", "scenario_id", OTHER, "status", "processing")
    await link.execute("HSET", f"scenario:{OTHER}", "status", "processing", "paused", '{"at":"t"}')
    return Case({**plain.values, "parent": TEXT}, plain.rest)


async def reject_line(link: Link) -> Case:
    """The same for its end."""
    plain = await CASES["reject"](link)
    await link.execute("HSET", f"scenario:{SCENARIO}", "tenant", "acme", "batch", OTHER)
    await link.execute("HSET", f"batch:{OTHER}", "total", 1, "unfinished", 1)
    await link.execute("HSET", "tenants", "acme", 2)
    return plain


async def cancel_line(link: Link) -> Case:
    """The same when it is cancelled."""
    plain = await CASES["cancel"](link)
    await link.execute("HSET", f"scenario:{SCENARIO}", "tenant", "acme", "batch", OTHER)
    await link.execute("HSET", f"batch:{OTHER}", "total", 1, "unfinished", 1)
    await link.execute("HSET", "tenants", "acme", 1)
    return plain


CASES["submit:line"] = submit_line
CASES["submit:within"] = submit_within
CASES["reject:line"] = reject_line
CASES["cancel:line"] = cancel_line
