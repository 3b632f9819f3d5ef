"""Cases of the scripts about webhooks."""

from workers_sdk.protocol.link import Link

from .cases import CASES, SCENARIO, Case, case

ENDPOINT = "e" * 16
ID, SECOND = ("0" * 15 + n for n in "12")
KEEP = {"keep_ms": 60_000}


async def endpoint(link: Link) -> None:
    await link.execute("HSET", "webhooks", ENDPOINT, "1 {}")


async def delivery(link: Link, status: str = "pending", turn: int = 0, delivery_id: str = ID) -> None:
    """A delivery of the endpoint that is due."""
    await link.execute(
        "HSET", f"delivery:{delivery_id}", "id", delivery_id, "endpoint_id", ENDPOINT, "type", "scenario.failed",
        "scenario_id", SCENARIO, "payload", "{}", "status", status, "attempts", turn, "tries", turn, "turn", turn,
        "held_until", 0,
    )  # fmt: skip
    await link.execute("ZADD", f"deliveries:{ENDPOINT}", 1, delivery_id)
    await link.execute("ZADD", f"waiting-deliveries:{ENDPOINT}", 1, delivery_id)


@case
async def webhook_put(link: Link) -> Case:
    await endpoint(link)
    await link.execute("HSET", "webhooks-failing", ENDPOINT, 1)
    keys = {"webhooks": "webhooks", "failing": "webhooks-failing"}
    return Case({**keys, "endpoint_id": ENDPOINT, "revision": 2, "copy": 0, "limit": 100, "value": "{}"})


@case
async def webhook_remove(link: Link) -> Case:
    await endpoint(link)
    await delivery(link)
    await link.execute("HSET", "webhooks-failing", ENDPOINT, 1)
    lists = {"deliveries": f"deliveries:{ENDPOINT}", "waiting": f"waiting-deliveries:{ENDPOINT}"}
    return Case({"webhooks": "webhooks", "failing": "webhooks-failing", **lists, "endpoint_id": ENDPOINT})


@case
async def webhook_announce(link: Link) -> Case:
    """A new delivery, and an old one that leaves the list."""
    await endpoint(link)
    await delivery(link, delivery_id=SECOND)
    await link.execute("XGROUP", "CREATE", "outbox", "orchestrator", "0", "MKSTREAM")
    entry = await link.execute("XADD", "outbox", "*", "type", "scenario.failed", "scenario_id", SCENARIO)
    await link.execute("XREADGROUP", "GROUP", "orchestrator", "o1", "STREAMS", "outbox", ">")
    keys = {"outbox": "outbox", "webhooks": "webhooks", "failing": "webhooks-failing"}
    values = {**keys, "prefix": "", "group": "orchestrator", "most": 0}
    event = {"entry_id": entry.decode(), "event": "scenario.failed", "scenario_id": SCENARIO}
    return Case({**values, **event, **KEEP, "listed_ms": 60_000, "payload": "{}"}, [ENDPOINT, ID])


async def webhook_announce_full(link: Link) -> Case:
    """One for which there is no room: it is counted."""
    known = await webhook_announce(link)
    await link.execute("HSET", "webhooks-failing", f"{ENDPOINT}:dropped", "3 1")
    return Case({**known.values, "most": 1}, known.rest)


@case
async def webhook_take(link: Link) -> Case:
    """One that is due, and one that was done."""
    await endpoint(link)
    await delivery(link)
    await delivery(link, "success", delivery_id=SECOND)
    return Case({"webhooks": "webhooks", "prefix": "", "hold_ms": 1_000, **KEEP, "total": 10}, [ENDPOINT, 5])


@case
async def webhook_record(link: Link) -> Case:
    await endpoint(link)
    await delivery(link, turn=21)
    await link.execute("HSET", f"delivery:{ID}", "held_until", 9, "attempt:2", "{}")
    keys = {"delivery": f"delivery:{ID}", "waiting": f"waiting-deliveries:{ENDPOINT}"}
    more = {"failing": "webhooks-failing", "webhooks": "webhooks", "delivery_id": ID, "endpoint_id": ENDPOINT}
    return Case(
        {**keys, **more, "turn": 21, "status": "pending", "delay_ms": 5_000, **KEEP, "facts": '{"ms":3}'}
    )


@case
async def webhook_redrive(link: Link) -> Case:
    await delivery(link, "failed", turn=3)
    values = {"waiting": f"waiting-deliveries:{ENDPOINT}", "prefix": "", "endpoint_id": ENDPOINT, **KEEP}
    return Case(values, [ID])


CASES["webhook_announce:full"] = webhook_announce_full
