from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from obstore.store import S3Store

from orchestrator.artifacts import Artifacts
from orchestrator.config import Settings
from workers_sdk.protocol.keys import Partition, scenario_id_from, short_uuid
from workers_sdk.protocol.link import RedisLink

SCENARIO = scenario_id_from(b"downloads")
TASK = short_uuid(SCENARIO, "CreateVideo")
DATA = bytes(range(256)) * 2_048
PATH = f"{SCENARIO}/{TASK}/1/video.mp4"


@pytest.fixture
def artifact(settings: Settings) -> Path:
    path = Path(settings.artifacts) / PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    return path


async def stored_task(link: RedisLink, result_ref: str) -> None:
    await link.execute(
        "HSET", Partition(0, "").task(TASK), "id", TASK, "scenario_id", SCENARIO, "service", "video-service",
        "name", "CreateVideo", "status", "success", "queue", "0", "consumers", "[]", "result_ref", result_ref,
        "created_at", "2025-06-26T10:34:12.349Z", "updated_at", "2025-06-26T10:34:12.349Z",
    )  # fmt: skip


@pytest.mark.parametrize("path", [f"/tasks/{TASK}/result", f"/artifacts/{PATH}"])
async def test_an_artifact_is_downloaded_whole_or_by_range(
    client: httpx.AsyncClient, link: RedisLink, artifact: Path, path: str
) -> None:
    await stored_task(link, artifact.as_uri())

    whole = await client.get(path)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert whole.content == DATA
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["x-content-type-options"] == "nosniff"

    part = await client.get(path, headers={"Range": "bytes=300000-300009"})
    assert (part.status_code, part.content) == (206, DATA[300_000:300_010])
    assert part.headers["content-range"] == f"bytes 300000-300009/{len(DATA)}"
    assert part.headers["content-length"] == "10"

    tail = await client.get(path, headers={"Range": "bytes=-5"})
    assert (tail.status_code, tail.content) == (206, DATA[-5:])


async def test_head_tells_the_size_and_sends_nothing(client: httpx.AsyncClient, artifact: Path) -> None:
    answer = await client.head(f"/artifacts/{PATH}")

    assert (answer.status_code, answer.headers["content-length"], answer.content) == (
        200,
        str(len(DATA)),
        b"",
    )


async def test_what_the_client_has_already_is_not_sent(client: httpx.AsyncClient, artifact: Path) -> None:
    etag = (await client.head(f"/artifacts/{PATH}")).headers["etag"]

    answer = await client.get(f"/artifacts/{PATH}", headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", f"bytes={len(DATA)}-", "bytes=x", "bytes=-0"])
async def test_a_range_that_cannot_be_given_is_416(
    client: httpx.AsyncClient, artifact: Path, asked: str
) -> None:
    answer = await client.get(f"/artifacts/{PATH}", headers={"Range": asked})

    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(DATA)}"


async def test_an_empty_artifact_is_empty(client: httpx.AsyncClient, artifact: Path) -> None:
    (artifact.parent / "empty.txt").touch()

    answer = await client.get(f"/artifacts/{SCENARIO}/{TASK}/1/empty.txt")

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("", "no_artifact"),
        ("s3://bucket/result.mp4", "artifact_elsewhere"),
        ("file:///etc/passwd", "artifact_elsewhere"),
        ("output/video.mp4", "artifact_elsewhere"),
    ],
)
async def test_a_result_that_is_not_in_the_store_is_404_with_the_reason(
    client: httpx.AsyncClient, link: RedisLink, ref: str, code: str
) -> None:
    await stored_task(link, ref)

    answer = await client.get(f"/tasks/{TASK}/result")

    assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_an_artifact_that_is_gone_is_404(
    client: httpx.AsyncClient, link: RedisLink, artifact: Path
) -> None:
    await stored_task(link, artifact.with_name("gone.mp4").as_uri())

    assert (await client.get(f"/tasks/{TASK}/result")).status_code == 404


async def test_nothing_outside_the_store_is_reachable(client: httpx.AsyncClient, artifact: Path) -> None:
    climb = [
        "%2e%2e%2f" * 12 + "etc/passwd",
        f"{SCENARIO}/{TASK}/1/%2e%2e/%2e%2e/x",
        f"{PATH}%00",
        f"%2f{PATH}",
    ]

    for path in climb:
        assert (await client.get(f"/artifacts/{path}")).status_code == 404


@pytest.mark.parametrize("name", ["50% ж.txt", "a%20b.txt", "plain.txt"])
async def test_names_are_found_as_the_sdk_writes_them_and_as_uris(
    client: httpx.AsyncClient, link: RedisLink, artifact: Path, name: str
) -> None:
    other = artifact.with_name(name)
    other.write_text(name)

    for ref in (f"file://{other}", other.as_uri()):
        await stored_task(link, ref)
        assert (await client.get(f"/tasks/{TASK}/result")).text == name


async def test_a_store_that_does_not_answer_is_no_missing_artifact(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    nobody = S3Store(
        "bucket",
        endpoint="http://127.0.0.1:1",
        skip_signature=True,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    app.state.services = replace(app.state.services, artifacts=Artifacts("s3://bucket", store=nobody))

    answer = await client.get(f"/artifacts/{PATH}")
    assert (answer.status_code, answer.json()["code"]) == (503, "artifacts_unavailable")
    assert answer.headers["retry-after"]
