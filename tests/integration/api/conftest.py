"""An API on a real server, with its own small templates; and an engine for tests whose tasks must move."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from orchestrator.api.app import create_app
from orchestrator.api.services import Services
from orchestrator.config import Settings
from orchestrator.engine.engine import Engine
from orchestrator.engine.loop import Seams
from orchestrator.store.store import Store
from workers_sdk.protocol.link import RedisLink

PAIR = """\
scenario_id: "{{ SHORT_UUID('Pair') }}"
version: "1.0.0"
name: Pair
variables:
  PROMPT: nothing
  N_SLIDES: 1
tasks:
  - id: "{{ SHORT_UUID('First') }}"
    service: text-service
    name: First
    consumers: ["{{ SHORT_UUID('Second') }}"]
    prompt: "{{ PROMPT }}"
    params: {slides: "{{ N_SLIDES }}"}
  - id: "{{ SHORT_UUID('Second') }}"
    service: video-service
    name: Second
    consumers: []
    text_task_id: "{{ SHORT_UUID('First') }}"
"""
ALONE = """\
version: "1.0.0"
name: Alone
variables: {COUNT: 2}
tasks:
  - id: "{{ SHORT_UUID('Only') }}"
    service: voice-service
    name: Only
    consumers: []
    params: {count: "{{ COUNT }}"}
"""
MANY = """\
name: Many
variables: {N: 3, TEXT: hello, WRONG: 0}
tasks:
  - name: Item
    service: text-service
    count: "{{ N }}"
    prompt: "{{ TEXT }}"
{%- for i in range(WRONG) %}
  - name: Wrong
    service: text-service
    needs: [Nobody]
{%- endfor %}
  - name: End
    service: video-service
    needs: [Item]
"""
BROKEN = """\
version: "1.0.0"
name: Broken
tasks:
  - id: "{{ SHORT_UUID('A') }}"
    service: text-service
    name: A
    consumers: ["{{ SHORT_UUID('B') }}", "{{ SHORT_UUID('Nobody') }}"]
  - id: "{{ SHORT_UUID('B') }}"
    service: text-service
    name: B
    consumers: ["{{ SHORT_UUID('A') }}"]
"""


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "Pair.yml").write_text(PAIR)
    (folder / "Alone.yml").write_text(ALONE)
    (folder / "Many.yml").write_text(MANY)
    (folder / "Broken.yml").write_text(BROKEN)
    without_file: dict[str, Any] = {"_env_file": None}
    return Settings(
        **without_file,
        redis_url=redis_url,
        unsafe_volatile=True,
        templates=(folder,),
        artifacts=str(tmp_path / "artifacts"),
        max_body_bytes=30_000,
        body_timeout_s=0.05,
    )


@pytest_asyncio.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def services(app: FastAPI) -> Services:
    """What the routes stand on."""
    found: Services = app.state.services
    return found


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield client


@pytest_asyncio.fixture
async def engine(redis_url: str) -> AsyncIterator[None]:
    """A running orchestrator."""
    link, reading, stop = RedisLink(redis_url), RedisLink(redis_url, block_ms=1_000), asyncio.Event()
    store = await Store.open(link, unsafe_volatile=True, sets_lease=True)
    task = asyncio.create_task(Engine(store, Seams(reading)).run(stop))
    yield
    stop.set()
    await task
    await link.close()
    await reading.close()
