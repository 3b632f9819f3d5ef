"""Artifacts in an object store that speaks S3: written by workers, read by the API, removed by the engine."""

import asyncio
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from orchestrator.artifacts import Artifacts, Stored
from orchestrator.cli.client import ApiClient
from tests.support.fleet import running_api
from tests.support.s3 import environment_of, running_s3
from tests.support.wait import wait_until
from workers_sdk import Artifacts as OfWorker
from workers_sdk.protocol.keys import scenario_id_from, short_uuid

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "workers"
SCENARIO = scenario_id_from(b"in an object store")
OTHER = scenario_id_from(b"of another scenario")
TASK = short_uuid(SCENARIO, "CreateVideo")


BOOK = """
name: Book
tasks:
  - name: FetchBook
    service: books-service
    prompt: to be or not to be
  - name: Read                      # holds the scenario until the test has seen it
    needs: [FetchBook]
    gate: {}
  - name: CountBook
    service: books-service
    book_task_id: FetchBook
    needs: [Read]
"""


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The one server of this run."""
    with running_s3(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def root(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix in an empty bucket."""
    for name, value in environment_of(address).items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{secrets.token_hex(8)}"
    httpx.put(f"{address}/{bucket}").raise_for_status()
    return f"s3://{bucket}/our own"


@pytest.fixture
def store(root: str) -> ObjectStore:
    """The same, looked at from outside."""
    return from_url(root)


def place(scenario_id: str = SCENARIO, attempt: int = 1) -> str:
    return f"{scenario_id}/{TASK}/{attempt}"


def paths(store: ObjectStore) -> list[str]:
    return sorted(one["path"] for one in obstore.list(store).collect())


@pytest.mark.parametrize("name", ["film.mp4", "кот 100%+&?#.txt", "a=b~(c)'d.bin"])
def test_what_a_worker_puts_is_read_back_whatever_its_name(root: str, name: str, tmp_path: Path) -> None:
    of_worker = OfWorker(root, place())
    data = os.urandom(11 * 1024 * 1024)  # more than one part of an upload
    (tmp_path / "made").write_bytes(data)
    artifact = of_worker.put(name, tmp_path / "made")

    assert artifact.uri == f"{root}/{place()}/{name}"
    assert of_worker.has(name)
    assert not of_worker.has("another")
    assert OfWorker(root, place(OTHER)).get(artifact.uri) == data
    assert of_worker.fetch(artifact.uri, tmp_path) == tmp_path / name
    assert (tmp_path / name).read_bytes() == data


def test_empty_ones_overwritten_ones_and_missing_ones(root: str, store: ObjectStore, tmp_path: Path) -> None:
    of_worker = OfWorker(root, place())
    assert of_worker.get(of_worker.put("empty", b"").uri) == b""
    first, again = of_worker.put("a.png", b"first"), of_worker.put("a.png", b"again")
    assert first.uri == again.uri
    assert of_worker.get(again.uri) == b"again"
    assert obstore.get(store, f"{place()}/a.png").attributes["Content-Type"] == "image/png"
    with pytest.raises(FileNotFoundError):
        of_worker.get(f"{root}/{place()}/none")
    with pytest.raises(FileNotFoundError):
        of_worker.fetch(f"{root}/{place()}/none", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(ValueError, match="more than 4"):
        of_worker.get(again.uri, at_most=4)


async def test_the_server_finds_and_reads_any_part(root: str) -> None:
    data = bytes(range(256)) * 4_096
    uri = OfWorker(root, place()).put("film 1.mp4", data).uri
    artifacts = Artifacts(root)
    [path] = artifacts.paths_of(uri)
    stored = await artifacts.find(path)

    assert stored and (stored.path, stored.size) == (path, len(data))
    assert stored.etag.startswith('"')
    for start, end in ((0, len(data)), (300_000, 300_010), (len(data) - 1, len(data)), (5, 5)):
        assert await whole(artifacts, stored, start, end) == data[start:end]
    assert await artifacts.find(f"{place()}/none") is None


async def whole(artifacts: Artifacts, stored: Stored, start: int, end: int) -> bytes:
    return b"".join([chunk async for chunk in artifacts.read(stored, start, end)])


async def test_more_than_one_page_of_one_scenario_is_removed_and_nothing_else(
    root: str, store: ObjectStore
) -> None:
    """A page has 1,000 objects, and so many are removed by one request."""
    crowd = asyncio.Semaphore(20)

    async def put(path: str) -> None:
        async with crowd:
            await obstore.put_async(store, path, b"x")

    await asyncio.gather(*(put(f"{place(attempt=n)}/отчёт 100%.txt") for n in range(1, 1_003)))
    await put(f"{place(OTHER)}/a.txt")
    artifacts = Artifacts(root)

    assert await artifacts.remove(SCENARIO) == 1_002
    assert paths(store) == [f"{place(OTHER)}/a.txt"]
    assert await artifacts.remove(SCENARIO) == 0


async def test_a_bucket_that_is_not_there_is_an_error_and_nothing_missing(root: str) -> None:
    elsewhere = f"s3://no-such-{secrets.token_hex(8)}"
    with pytest.raises(OSError):
        OfWorker(elsewhere, place()).put("a", b"1")
    with pytest.raises((OSError, BaseError)):
        await Artifacts(elsewhere).remove(SCENARIO)


async def test_large_results_go_through_the_store_are_downloaded_and_leave_with_their_scenario(
    redis_url: str, root: str, store: ObjectStore, tmp_path: Path
) -> None:
    """API, engine and a worker with processes of its own, all as real processes. Only what succeeds is purged soon."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "Book.yml").write_text(BOOK)
    more = {
        "SCENARIST_ARTIFACTS": root,
        "SCENARIST_TEMPLATES": str(tmp_path / "templates"),
        "SCENARIST_RETENTION_SUCCESS_S": "1",
        "PYTHONPATH": os.pathsep.join([str(EXAMPLE), *sys.path]),
    }
    with running_api(tmp_path, redis_url, **more) as running, ApiClient(running.api_url) as api:
        async with httpx.AsyncClient(base_url=running.api_url, timeout=60) as http:
            running.fleet.start("worker", "workers_sdk", "count_book")
            running.fleet.start("engine", "orchestrator", "engine")
            scenario_id = api.generate({"scenario": "Book"})["scenario_id"]
            gate = await wait_until(lambda: task(api, scenario_id, "processing", "Read"), **LONG)
            book = task(api, scenario_id, "success", "FetchBook")

            assert book["result_ref"] == f"{root}/{scenario_id}/{book['id']}/1/result.json"
            size = book["result"]["artifact"]["size"]
            url = f"/tasks/{book['id']}/result"
            head, part = await http.head(url), await http.get(url, headers={"Range": "bytes=3-15"})
            assert head.headers["content-length"] == str(size)
            assert (part.status_code, part.content) == (206, b"to be or not ")
            assert part.headers["content-range"] == f"bytes 3-15/{size}"
            assert len((await http.get(url)).content) == size

            vote = {"decision": "approve", "by": "ann"}
            decision = await http.post(f"/gates/{gate['id']}/decision", json=vote)
            assert decision.is_success, decision.text
            await wait_until(lambda: not paths(store), **LONG)


LONG: dict[str, Any] = {"what": "the next step of the scenario", "timeout_s": 120, "every_s": 0.1}


def task(api: ApiClient, scenario_id: str, status: str, name: str) -> Any:
    """The task of a name, if it has that status."""
    tasks = api.scenario(scenario_id)["tasks"]
    return next((one for one in tasks if (one["name"], one["status"]) == (name, status)), None)
