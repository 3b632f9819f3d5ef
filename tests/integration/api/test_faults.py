from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from orchestrator.api.app import create_app
from orchestrator.config import Settings
from orchestrator.store.server import ServerUnfit
from workers_sdk.protocol.link import Argument, Command, Link, RedisLink, Refused, Unavailable


class BreakableLink:
    """A link that can be told to fail."""

    def __init__(self, inner: Link) -> None:
        self._inner = inner
        self.error: Exception | None = None

    async def execute(self, *command: Argument) -> Any:
        if self.error:
            raise self.error
        return await self._inner.execute(*command)

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        if self.error:
            raise self.error
        return await self._inner.execute_many(commands)

    async def unblock(self) -> None:
        await self._inner.unblock()

    async def close(self) -> None:
        await self._inner.close()


REQUESTS = [
    ("GET", "/scenarios"),
    ("GET", "/scenarios/2q0v9k5xw3hmt7ad"),
    ("GET", "/tasks/2q0v9k5xw3hmt7ad"),
    ("GET", "/readyz"),
    ("POST", "/generate"),
    ("PATCH", "/tasks/2q0v9k5xw3hmt7ad/status"),
]
BODIES = {"POST": {"scenario": "Pair"}, "PATCH": {"status": "success"}}


@pytest_asyncio.fixture
async def breakable(link: RedisLink) -> BreakableLink:
    return BreakableLink(link)


@pytest_asyncio.fixture
async def fragile(settings: Settings, breakable: BreakableLink) -> AsyncIterator[httpx.AsyncClient]:
    """Client of an API on the breakable link."""
    app = create_app(settings, breakable)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


@pytest.mark.parametrize(("method", "path"), REQUESTS)
async def test_without_redis_every_route_says_503_and_when_to_come_back(
    fragile: httpx.AsyncClient, breakable: BreakableLink, method: str, path: str
) -> None:
    breakable.error = Unavailable("Connection refused by 10.1.2.3")

    answer = await fragile.request(method, path, json=BODIES.get(method))
    health = await fragile.get("/health")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "10.1.2.3" not in answer.text
    assert (health.status_code, health.json()["redis"]) == (503, "unavailable")


async def test_the_access_log_says_why_a_request_was_refused(
    fragile: httpx.AsyncClient, breakable: BreakableLink
) -> None:
    breakable.error = Unavailable("no connection: refused")

    with capture_logs() as lines:
        await fragile.get("/tasks/2q0v9k5xw3hmt7ad")
        await fragile.get("/nowhere")

    assert lines[0]["problem"] == "unavailable"
    assert lines[0]["cause"] == "no connection: refused"
    assert lines[1]["problem"] == "not_found"


async def test_a_bug_is_a_500_that_tells_nothing_and_a_log_line_that_tells_all(
    fragile: httpx.AsyncClient, breakable: BreakableLink
) -> None:
    breakable.error = Refused("WRONGTYPE of secret-key")

    with capture_logs() as lines:
        answer = await fragile.get("/tasks/2q0v9k5xw3hmt7ad")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret-key" not in answer.text
    assert [line["event"] for line in lines] == ["request_failed", "request"]
    assert lines[1].items() >= {"method": "GET", "path": "/tasks/{task_id}", "status": 500}.items()


async def test_the_access_log_names_the_scenario_but_no_value(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        answer = await client.post("/generate", json={"scenario": "Pair", "description": "s3cret"})

    (line,) = lines
    assert line["scenario_id"] == answer.json()["scenario_id"]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/generate", 201)
    assert "s3cret" not in str(line)


async def test_the_app_does_not_start_on_an_unfit_server(settings: Settings, link: RedisLink) -> None:
    app = create_app(settings, link)
    async with app.router.lifespan_context(app):
        pass
    other = create_app(settings.model_copy(update={"partitions": 2}), link)

    with pytest.raises(ServerUnfit, match="partitions"):
        async with other.router.lifespan_context(other):
            pass
