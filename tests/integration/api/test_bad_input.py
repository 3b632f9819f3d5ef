"""The rows of the security checklist that touch the API: each gets its 4xx, in one schema, and never a 5xx."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from orchestrator.api.problems import KINDS, ProblemOut

JSON = {"Content-Type": "application/json"}


def checked(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The problem of an answer, after checks that hold for every problem."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    ProblemOut.model_validate(body)
    assert body["status"] == answer.status_code == KINDS[body["code"]].status
    assert body["type"] == f"/problems/{body['code']}"
    assert "Traceback" not in answer.text
    return body


BODIES: dict[str, bytes] = {
    "NaN": b'{"scenario": "Pair", "variables": {"x": NaN}}',
    "Infinity": b'{"scenario": "Pair", "slides_count": Infinity}',
    "1e999": b'{"scenario": "Pair", "variables": {"x": 1e999}}',
    "lone surrogate": rb'{"scenario": "Pair", "description": "\ud800"}',
    "NUL in a name": rb'{"scenario": "a\u0000b"}',
    "control character in a name": rb'{"scenario": "a\nb"}',
    "NUL in the name of a variable": rb'{"scenario": "Pair", "variables": {"a\u0000b": 1}}',
    "braces in a name": b'{"scenario": "a}{b"}',
    "path in a name": b'{"scenario": "../../etc/passwd"}',
    "invalid UTF-8": b'{"scenario": "\xff"}',
    "not JSON": b"scenario=Pair",
    "trailing text": b'{"scenario": "Pair"} x',
    "empty": b"",
    "blank": b" ",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"Pair"',
    "deep": b'{"scenario": "Pair", "variables": {"x": ' + b"[" * 1_000 + b"]" * 1_000 + b"}}",
    "huge integer": b'{"scenario": "Pair", "variables": {"x": ' + b"9" * 5_000 + b"}}",
    "integer beyond 2^53": b'{"scenario": "Pair", "variables": {"x": 9007199254740993}}',
    "duplicate keys": b'{"scenario": "Pair", "scenario": "Other"}',
    "unknown field": b'{"scenario": "Pair", "evil": 1}',
    "no scenario": b'{"description": "x"}',
    "scenario is a number": b'{"scenario": 5}',
    "empty description": b'{"scenario": "Pair", "description": ""}',
    "slides_count 0": b'{"scenario": "Pair", "slides_count": 0}',
    "slides_count 51": b'{"scenario": "Pair", "slides_count": 51}',
    "slides_count is text": b'{"scenario": "Pair", "slides_count": "3"}',
    "slides_count is a fraction": b'{"scenario": "Pair", "slides_count": 2.5}',
    "slides_count is true": b'{"scenario": "Pair", "slides_count": true}',
    "variables is a list": b'{"scenario": "Pair", "variables": []}',
}


@pytest.mark.parametrize("path", ["/generate", "/plan"])
@pytest.mark.parametrize("content", BODIES.values(), ids=BODIES.keys())
async def test_a_bad_body_is_refused(client: httpx.AsyncClient, path: str, content: bytes) -> None:
    answer = await client.post(path, content=content, headers=JSON)

    checked(answer, 400, 422)
    assert (await client.get("/scenarios")).json()["items"] == []


async def test_a_description_of_20_001_characters_is_refused(client: httpx.AsyncClient) -> None:
    body = json.dumps({"scenario": "Pair", "description": "x" * 20_001})

    checked(await client.post("/generate", content=body, headers=JSON), 422)


async def test_an_invalid_field_is_named_by_pointer_without_its_value(client: httpx.AsyncClient) -> None:
    sent = {"scenario": "Pair", "slides_count": 99, "variables": {"a~b/c": "s3cret"}, "password": "hunter2"}

    body = checked(await client.post("/generate", json=sent), 422)

    assert {error["pointer"] for error in body["errors"]} >= {"/slides_count", "/password"}
    assert "hunter2" not in json.dumps(body)
    assert "s3cret" not in json.dumps(body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/problem+json"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": ""},
        {},
    ],
)
async def test_another_content_type_is_415(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post("/generate", content=b'{"scenario": "Pair"}', headers=headers)

    assert checked(answer, 415)["code"] == "unsupported_media_type"


async def test_a_compressed_body_is_415(client: httpx.AsyncClient) -> None:
    bomb = gzip.compress(b" " * 5_000_000)
    answer = await client.post("/generate", content=bomb, headers=JSON | {"Content-Encoding": "gzip"})

    checked(answer, 415)


async def test_a_large_body_is_413(client: httpx.AsyncClient) -> None:
    checked(await client.post("/generate", content=b" " * 30_001, headers=JSON), 413)


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b" " * 1_000
        await asyncio.sleep(0)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "20"}])
async def test_a_body_is_counted_while_it_arrives(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    checked(await client.post("/generate", content=endless(), headers=JSON | headers), 413)


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1e3", ""])
async def test_a_false_content_length_is_refused(client: httpx.AsyncClient, length: str) -> None:
    headers = JSON | {"Content-Length": length}

    checked(await client.post("/generate", content=endless(), headers=headers), 400, 413)


async def test_a_body_that_does_not_arrive_is_408(client: httpx.AsyncClient) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = await client.post("/generate", content=slow(), headers=JSON)

    assert checked(answer, 408)["code"] == "body_timeout"


async def test_a_long_address_is_414(client: httpx.AsyncClient) -> None:
    checked(await client.get("/scenarios?name=" + "x" * 9_000), 414)


async def test_too_many_headers_are_431(client: httpx.AsyncClient) -> None:
    checked(await client.get("/", headers={f"X-{i}": "x" for i in range(200)}), 431)
    checked(await client.get("/", headers={"X-Long": "x" * 40_000}), 431)


IDS = [
    "unknown",
    "0000000000000000",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "%00",
    "a}{b",
    "{p0}:x",
    "a:b",
    "*",
    "%ff%fe",
    "x" * 5_000,
    "ⅷ",
]


@pytest.mark.parametrize("one", IDS)
async def test_every_id_that_is_not_known_gets_the_same_404(client: httpx.AsyncClient, one: str) -> None:
    answers = [
        await client.get(f"/scenarios/{one}"),
        await client.get(f"/tasks/{one}"),
        await client.get(f"/tasks/{one}/result"),
        await client.get(f"/artifacts/{one}"),
        await client.patch(f"/tasks/{one}/status", json={"status": "success"}),
    ]

    bodies = [checked(answer, 404) for answer in answers]
    expected = (await client.get("/scenarios/zzzzzzzzzzzzzzzz")).json()
    for body in bodies:
        assert body | {"instance": ""} == expected | {"instance": ""}


@pytest.mark.parametrize("path", ["/nothing", "/generate/", "/docs", "/redoc", "//", "/scenarios/a/b/c"])
async def test_an_unknown_address_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    checked(await client.get(f"http://api{path}"), 404)


async def test_a_wrong_method_tells_the_right_ones(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/generate")

    assert checked(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "POST"


async def test_cross_origin_requests_get_no_permission(client: httpx.AsyncClient) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    answers = [await client.options("/generate", headers=asked), await client.get("/", headers=asked)]

    assert not [name for answer in answers for name in answer.headers if name.startswith("access-control")]


async def test_a_host_header_decides_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/generate", json={"scenario": "Pair"}, headers={"Host": "evil.example"})

    assert answer.headers["location"].startswith("/scenarios/")
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    ("path", "named", "hint"),
    [
        ("/scenarios?stauts=failed", "stauts", "did you mean `status`?"),
        ("/scenarios?Status=failed", "Status", "did you mean `status`?"),
        ("/scenarios?limit=5&zebra=1", "zebra", "there are: status, name, tenant, limit, cursor."),
        ("/health?verbose", "verbose", "this address takes none."),
        ("/gates?group=a&group=b&%00=1", "\0", "there are: who, group, scenario_id, limit, cursor."),
        ("/schedules?limit=1&limit=2", "limit", "It may be given once."),
        ("/scenarios/zzzzzzzzzzzzzzzz?full=1", "full", "there are: limit, cursor."),
        ("/batches?durabilty=fsync", "durabilty", "did you mean `durability`?"),
    ],
)
async def test_a_query_parameter_that_is_not_known_is_refused(
    client: httpx.AsyncClient, path: str, named: str, hint: str
) -> None:
    method = "POST" if path.startswith("/batches") else "GET"

    body = checked(await client.request(method, path), 400)

    assert body["code"] == "invalid_query"
    [error] = body["errors"]
    assert error["parameter"] == named
    assert error["detail"].endswith(hint)


@pytest.mark.parametrize("path", ["/generate", "/batches", "/schedules", "/schedules/0000000000000000/fire"])
async def test_two_keys_are_one_too_many(client: httpx.AsyncClient, path: str) -> None:
    body = {"scenario": "Pair", "every_s": 60} if path == "/schedules" else {"scenario": "Pair"}
    keys = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]

    answer = await client.post(path, content=json.dumps(body), headers=[*keys, *JSON.items()])

    assert checked(answer, 400)["code"] == "invalid_request"


async def test_a_list_may_be_given_twice(client: httpx.AsyncClient) -> None:
    assert (await client.get("/gates?who=ann&group=a&group=b")).json()["items"] == []
