"""The end of a scenario: kept as long as its status asks for, then gone with its artifacts, whatever the store does."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from orchestrator.artifacts import Artifacts
from orchestrator.engine import Seams
from orchestrator.engine.purger import MOST, Purger
from orchestrator.store.edits import Edits
from orchestrator.store.outcomes import OriginGone
from orchestrator.store.records import Cause
from orchestrator.store.rerun import CannotRerun, Rerun
from orchestrator.store.revival import Revival
from orchestrator.store.store import HOLD_MS, NEEDED_MS, Policy
from tests.support.graphs import chain, graph
from tests.support.wait import wait_until
from tests.support.works import Works
from workers_sdk.artifacts import Artifacts as OfWorker
from workers_sdk.protocol.keys import scenario_id_from, short_uuid
from workers_sdk.protocol.link import RedisLink

KEPT_MS = 10_000
SHORT = Policy(retention_ms=KEPT_MS)


@pytest.fixture(params=["memory", "folder"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    return Artifacts("memory://") if request.param == "memory" else Artifacts(str(tmp_path / "artifacts"))


def put(artifacts: Artifacts, scenario_id: str, count: int) -> None:
    """As workers do."""
    for n in range(count):
        obstore.put(artifacts._store, f"{scenario_id}/{scenario_id}/{n}/отчёт 100%.txt", b"x")


def paths(artifacts: Artifacts) -> list[str]:
    return sorted(one["path"] for one in obstore.list(artifacts._store).collect())


async def finished(works: Works) -> str:
    scenario_id = await works.submit(graph(chain(2)))
    await works.work()
    return scenario_id


async def test_scenarios_are_kept_as_long_as_their_end_asks_for(link: RedisLink) -> None:
    policy = Policy(retention_ms=5_000, retention_failed_ms=50_000, retention_cancelled_ms=100)
    works = await Works(link, policy).open()
    good, bad, unwanted, unfit = [await works.submit(graph(chain(2))) for _ in range(4)]
    await works.store.cancel(unwanted, Cause())
    await works.store.reject(works.at, unfit, "0-1", "malformed", "no")
    await works.work(bad)

    times = [await works.due_in(f"purge:{one}") for one in (good, bad, unwanted, unfit)]
    assert times == [5_000, 50_000, 100, 50_000]
    assert Policy(retention_ms=7, retention_success_ms=0).retentions == (0, 7, 7)


async def test_what_lies_below_the_scenario_goes_with_it_and_nothing_else(
    link: RedisLink, artifacts: Artifacts
) -> None:
    works = await Works(link, SHORT, artifacts).open()
    scenario_id, other = await finished(works), await works.submit(graph(chain(2)))
    put(artifacts, scenario_id, 5)
    put(artifacts, other, 1)
    await works.pass_by(KEPT_MS - 1)
    assert len(paths(artifacts)) == 6

    await works.pass_by(1)

    assert await works.record(scenario_id) is None
    assert [path.partition("/")[0] for path in paths(artifacts)] == [other]
    assert await artifacts.remove(scenario_id) == 0


async def test_no_folder_stays_and_no_half_written_file(link: RedisLink, tmp_path: Path) -> None:
    works = await Works(link, SHORT, Artifacts(str(tmp_path))).open()
    scenario_id = await finished(works)
    OfWorker(str(tmp_path), f"{scenario_id}/{scenario_id}/1").put("a.txt", b"x")
    (tmp_path / scenario_id / scenario_id / "1" / "b.txt#1").write_bytes(b"half")  # its worker was killed

    await works.pass_by(KEPT_MS)

    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_many_objects_are_removed_in_chunks(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.artifacts.REMOVED_AT_ONCE", 10)
    scenario_id = scenario_id_from(b"one")
    put(artifacts, scenario_id, 35)

    assert await artifacts.remove(scenario_id) == 35
    assert paths(artifacts) == []
    with pytest.raises(ValueError, match="not an id"):
        await artifacts.remove("../x")


class Unreachable(Artifacts):
    """A store that answers nothing, or only late."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__("memory://", store=MemoryStore())
        self.error = error
        self.asked: list[str] = []

    async def remove(self, scenario_id: str) -> int:
        self.asked.append(scenario_id)
        if self.error:
            raise self.error
        await asyncio.Event().wait()
        return 0


@pytest.mark.parametrize("error", [GenericError("no route"), OSError("read-only file system")])
async def test_a_store_that_cannot_be_reached_delays_the_purge_and_never_forgets_it(
    link: RedisLink, error: Exception
) -> None:
    store = Unreachable(error)
    works = await Works(link, SHORT, store).open()
    scenario_id = await finished(works)
    await works.pass_by(KEPT_MS)
    delays = []
    for _ in range(13):
        delay = await works.due_in(f"purge:{scenario_id}")
        assert delay is not None
        delays.append(delay // HOLD_MS)
        await works.pass_by(delay)

    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]
    assert len(store.asked) == 14
    assert await works.record(scenario_id) is not None

    store.error = None
    works.purger._artifacts = None  # it is back
    await works.pass_by(24 * 3_600_000)
    assert await works.record(scenario_id) is None


async def test_a_store_that_hangs_keeps_no_other_timer_and_no_stop_waiting(link: RedisLink) -> None:
    works = await Works(link, SHORT).open()
    scenario_id = await finished(works)
    stop, store = asyncio.Event(), Unreachable(None)
    purger = Purger(works.store, Seams(link), works.at, stop, store)
    await link.execute("SET", "test:now_ms", works.now + KEPT_MS)

    assert await purger.due(works.at, scenario_id)  # returns at once
    step = asyncio.create_task(purger.step())
    await wait_until(lambda: store.asked == [scenario_id], what="the store to be asked")
    stop.set()
    await step

    assert await works.record(scenario_id) is not None


async def test_a_store_that_is_slow_is_given_up_for_this_time(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.engine.purger.REMOVE_S", 0.01)
    works = await Works(link, SHORT, Unreachable(None)).open()
    scenario_id = await finished(works)

    await works.pass_by(KEPT_MS)

    assert await works.record(scenario_id) is not None
    assert await works.due_in(f"purge:{scenario_id}") == HOLD_MS


async def test_what_is_being_removed_is_not_brought_back(link: RedisLink) -> None:
    works = await Works(link, SHORT, Unreachable(OSError())).open()
    scenario_id = await works.submit(graph(chain(2)))
    await works.work(scenario_id)
    await works.pass_by(KEPT_MS)

    assert (await Revival(works.store).retry(scenario_id)).word == "PURGED"
    with pytest.raises(CannotRerun):
        await rerun(works, scenario_id)


async def rerun(works: Works, scenario_id: str) -> str:
    record = await works.record(scenario_id)
    assert record
    new_id = scenario_id_from(secrets.token_bytes(16))
    return await works.submit(await Rerun(works.store).of(record, record.task_ids[1], new_id, Edits()))


async def test_a_scenario_whose_results_another_one_uses_is_kept_until_that_is_gone(
    link: RedisLink, artifacts: Artifacts
) -> None:
    works = await Works(link, SHORT, artifacts).open()
    origin = await finished(works)
    put(artifacts, origin, 1)
    await works.pass_by(KEPT_MS - 1)
    new = await rerun(works, origin)

    await works.pass_by(1)
    assert await works.due_in(f"purge:{origin}") == NEEDED_MS
    assert len(paths(artifacts)) == 1
    assert await works.record(origin) is not None
    await works.work()
    await works.pass_by(KEPT_MS)
    assert await works.record(new) is None
    await works.pass_by(NEEDED_MS - KEPT_MS)

    assert await works.record(origin) is None
    assert paths(artifacts) == []


async def test_a_scenario_within_another_one_goes_after_that(link: RedisLink, artifacts: Artifacts) -> None:
    """The task that it is the work of has its results, and what depends on that task may use them for days."""
    works = await Works(link, SHORT, artifacts).open()
    outer = await works.submit(graph(chain(2)))
    record = await works.record(outer)
    assert record
    [task_id, _] = record.task_ids
    inner = await works.submit(
        replace(graph(chain(1), scenario_id=short_uuid(outer, "inner")), parent=task_id)
    )
    await link.execute("HSET", works.at.task(task_id), "child_scenario_id", inner)
    [first] = [one for one in await works.worker.take() if one.scenario_id == inner]
    await works.worker.succeed(first)
    await works.settle()
    put(artifacts, inner, 1)

    await works.pass_by(KEPT_MS)
    assert await works.due_in(f"purge:{inner}") == NEEDED_MS
    await works.store.cancel(outer, Cause())
    await works.pass_by(KEPT_MS)
    assert (await works.record(outer), len(paths(artifacts))) == (None, 1)
    await works.pass_by(NEEDED_MS - KEPT_MS)

    assert (await works.record(inner), paths(artifacts)) == (None, [])


async def test_a_rerun_of_what_is_gone_is_not_accepted(link: RedisLink) -> None:
    works = await Works(link, SHORT).open()
    origin = await finished(works)
    record = await works.record(origin)
    assert record
    new = await Rerun(works.store).of(record, record.task_ids[1], scenario_id_from(b"new"), Edits())
    await link.execute("HDEL", works.at.scenario(origin), "reruns")  # as if that had come too late
    await works.pass_by(KEPT_MS)

    with pytest.raises(OriginGone):
        await works.store.submit(new)
    assert await works.record(new.scenario_id) is None


async def test_more_than_one_replica_can_hold_are_left_in_place(link: RedisLink) -> None:
    works = await Works(link, SHORT).open()
    scenario_id = await finished(works)
    works.purger._begun = dict.fromkeys(map(str, range(MOST)))
    await link.execute("SET", "test:now_ms", works.now + KEPT_MS)

    assert await works.purger.due(works.at, scenario_id) is False
    record = await link.execute("HGET", works.at.scenario(scenario_id), "purged")
    assert record is None


async def test_a_purge_that_was_broken_off_is_carried_on(link: RedisLink) -> None:
    works = await Works(link, Policy(retention_ms=KEPT_MS, chunk=2)).open()
    scenario_id = await works.submit(graph(chain(9)))
    await works.work()
    await link.execute("SET", "test:now_ms", works.now + KEPT_MS)
    words: Sequence[Any] = [
        await works.store.purge(works.at, scenario_id),
        await works.store.begin_purge(works.at, scenario_id),
        await works.store.begin_purge(works.at, scenario_id),
        await works.store.purge(works.at, scenario_id),
    ]
    assert words == ["NOT_BEGUN", "BEGUN", "NOT_DUE", "MORE"]

    await works.pass_by(KEPT_MS + HOLD_MS)

    assert await works.record(scenario_id) is None
    assert await link.execute("KEYS", "task:*") == []
