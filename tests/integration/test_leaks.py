"""The leak check itself: it finds what stays behind, and only that."""

from tests.support.leaks import leaked_keys
from workers_sdk.protocol.keys import Partitions, scenario_id_from, short_uuid
from workers_sdk.protocol.link import RedisLink

SCENARIO = scenario_id_from(b"one")
TASK = short_uuid(SCENARIO, "task")


async def give(link: RedisLink, status: str, prefix: str = "") -> None:
    await link.execute("HSET", f"{prefix}scenario:{SCENARIO}", "status", status)
    await link.execute("HSET", f"{prefix}task:{TASK}", "scenario_id", SCENARIO)


async def test_permanent_and_expiring_keys_are_no_leaks(link: RedisLink) -> None:
    await link.execute("HSET", "scenarist:meta", "partitions", 1)
    await link.execute("XADD", "queue:text-service", "*", "id", TASK)
    await link.execute("SET", "idempotency:x", "y", "PX", 60_000)
    assert await leaked_keys(link) == []


async def test_a_stray_key_is_found(link: RedisLink) -> None:
    await link.execute("SET", "scenario-old", 1)
    await link.execute("HSET", f"task:{TASK}", "status", "success")
    assert await leaked_keys(link) == ["scenario-old", f"task:{TASK}"]


async def test_a_running_scenario_owns_its_keys(link: RedisLink) -> None:
    await give(link, "processing")
    assert await leaked_keys(link) == []


async def test_a_finished_scenario_needs_a_timer_that_will_purge_it(link: RedisLink) -> None:
    await give(link, "success")
    assert await leaked_keys(link) == [f"scenario:{SCENARIO}", f"task:{TASK}"]
    await link.execute("ZADD", "timers", 1, f"purge:{SCENARIO}")
    assert await leaked_keys(link) == []


async def test_partitions_are_looked_at_too(link: RedisLink) -> None:
    prefix = Partitions(4).of(SCENARIO).prefix
    await give(link, "failed", prefix)
    assert await leaked_keys(link) == [f"{prefix}scenario:{SCENARIO}", f"{prefix}task:{TASK}"]
    await link.execute("ZADD", f"{prefix}timers", 1, f"purge:{SCENARIO}")
    assert await leaked_keys(link) == []
