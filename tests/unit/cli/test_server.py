"""The API's server: what is wrong at its start is one line, and a connection that says nothing is closed."""

import asyncio

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from orchestrator.cli import server
from orchestrator.cli.app import run
from orchestrator.cli.exits import Exit
from orchestrator.cli.fleet import free_port
from orchestrator.cli.server import Protocol


@pytest.mark.parametrize("role", ["serve", "engine"])
def test_without_redis_a_role_that_is_not_to_wait_ends_with_one_line(
    role: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENARIST_REDIS_WAIT_S", "0")
    assert run([role, "--redis", f"redis://127.0.0.1:{free_port('127.0.0.1', 0)}"]) == Exit.UNREACHABLE
    said = capfd.readouterr()
    assert said.err.startswith("error: Redis cannot be used: ")
    assert len((said.out + said.err).splitlines()) == 1


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def said_to(*parts: bytes) -> bytes:
    """Everything that comes back until the server closes the connection."""
    config = uvicorn.Config(hello, http=Protocol, lifespan="off", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Protocol(config, ServerState(), {}), "127.0.0.1", 0)
    async with listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        for part in parts:
            writer.write(part)
            await writer.drain()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize("parts", [(), (b"GET / HTT",), (b"GET / HTTP/1.1\r\n", b"Host: x\r\n")])
async def test_a_head_that_never_ends_is_cut_off(
    parts: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", 0.05)
    assert await said_to(*parts) == b""


async def test_a_second_head_that_never_ends_is_cut_off_after_the_first_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", 0.05)
    answer = await said_to(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /again HTT")
    assert answer.count(b"HTTP/1.1 200") == 1
    assert answer.endswith(b"hello")
