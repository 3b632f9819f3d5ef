"""The API behind a real HTTP server: what only a socket can send."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import uvicorn

from orchestrator.api.app import create_app
from orchestrator.config import Settings
from tests.support.wait import wait_until


@pytest_asyncio.fixture
async def port(settings: Settings) -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_config=None, access_log=False))
    task = asyncio.create_task(server.serve())
    await wait_until(lambda: server.started or task.done(), what="the server listens")
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def send(port: int, data: bytes) -> bytes:
    """Send bytes, keep the connection open, and give all that the server says until it closes."""
    loop = asyncio.get_running_loop()
    answer = b""
    with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(ConnectionError):
        connection.setblocking(False)
        await loop.sock_sendall(connection, data)
        # Raw, because a StreamReader forgets what has arrived when the server resets the connection.
        while chunk := await asyncio.wait_for(loop.sock_recv(connection, 65_536), 20):
            answer += chunk
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def head(*lines: str) -> bytes:
    fixed = ["POST /generate HTTP/1.1", "Host: api", "Content-Type: application/json"]
    return ("\r\n".join([*fixed, *lines]) + "\r\n\r\n").encode()


async def test_a_scenario_is_made_over_a_socket(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.post("/generate", json={"scenario": "Pair", "description": "Кот"})
        found = await client.get(answer.headers["location"])

    assert (answer.status_code, found.json()["variables"]["PROMPT"]) == (201, "Кот")


async def test_a_body_that_never_comes_is_408_and_the_connection_ends(port: int) -> None:
    answer = await send(port, head("Content-Length: 100") + b"{")

    assert status(answer) == 408
    assert b"body_timeout" in answer


async def test_a_body_of_more_than_the_limit_is_413_without_reading_it(port: int) -> None:
    answer = await send(port, head("Content-Length: 20000000") + b"{")

    assert status(answer) == 413


async def test_endless_chunks_are_413(port: int) -> None:
    chunk = b"400\r\n" + b" " * 1_024 + b"\r\n"

    answer = await send(port, head("Transfer-Encoding: chunked") + chunk * 32)

    assert status(answer) == 413


@pytest.mark.parametrize("path", ["/livez", "/scenarios", "/nothing"])
@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 20000000\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n" + b"2\r\n{}\r\n" * 5_000],
    ids=["never comes", "never ends"],
)
async def test_a_body_that_nobody_wants_is_not_waited_for(port: int, path: str, body: bytes) -> None:
    answer = await send(port, f"GET {path} HTTP/1.1\r\nHost: api\r\n".encode() + body)

    assert status(answer) == (404 if path == "/nothing" else 200)
    assert b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower()


async def test_an_empty_body_leaves_the_connection_open(port: int) -> None:
    ask = "GET /livez HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\n{}\r\n"

    answer = await send(port, (ask.format("") + ask.format("Connection: close\r\n")).encode())

    assert answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("length", ["-5", "x", "1, 2", "99999999999999999999999999"])
async def test_a_false_content_length_is_a_4xx(port: int, length: str) -> None:
    answer = await send(port, head(f"Content-Length: {length}") + b"{}")

    assert 400 <= status(answer) < 500


async def test_a_body_longer_than_its_content_length_does_not_change_the_answer(port: int) -> None:
    answer = await send(port, head("Content-Length: 2", "Connection: close") + b"{}" + b" " * 100)

    assert status(answer) == 422


@pytest.mark.parametrize("line", ["X: " + "x" * 100_000, "\r\n".join(f"X-{i}: x" for i in range(500))])
async def test_headers_beyond_measure_are_a_4xx(port: int, line: str) -> None:
    answer = await send(port, head("Content-Length: 2", line) + b"{}")

    assert 400 <= status(answer) < 500


async def test_paths_that_climb_find_nothing(port: int) -> None:
    for path in ("/artifacts/../../etc/passwd", "/artifacts/%2e%2e/%2e%2e/etc/passwd", "/tasks/%00", "/../x"):
        request = f"GET {path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n"
        assert status(await send(port, request.encode())) == 404


def test_the_app_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configured: list[str] = []
    monkeypatch.setattr("orchestrator.api.app.configure", lambda level, json: configured.append(level))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBUG", "true")
    config = uvicorn.Config("orchestrator.api.app:app_from_env", factory=True, log_config=None)

    config.load()

    assert config.loaded
    assert configured == ["debug"]
