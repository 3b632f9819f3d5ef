"""An API with an engine and a worker, asked anything at all: what each answer must be, and what must be left at the end."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import jsonschema_rs

from orchestrator.api.app import create_app
from orchestrator.config import Settings
from orchestrator.egress import Egress
from orchestrator.engine import Sending
from orchestrator.templates import Registry
from tests.support.checked import checked
from tests.support.engines import PATIENT, running_engine
from tests.support.leaks import leaked_keys
from tests.support.sweep_requests import BASE, Memory, Requests, Sent
from tests.support.wait import wait_until
from workers_sdk import Artifact, Context, Fail, Worker
from workers_sdk.protocol.link import RedisLink

Json = Any

PROBLEM: Final = "application/problem+json"
MACHINE: Final = """\
name: Machine
variables: {PROMPT: nothing, VOICE: anna}
states:
  new:
    on: {go: busy, stop: closed}
    after: {7d: closed}
  busy:
    tasks:
      - {name: Pack, service: text-service}
    then: new
    otherwise: closed
  closed: {end: success}
"""
EVERYTHING: Final = """\
name: Everything
variables: {PROMPT: nothing, VOICE: anna}
tasks:
  - {name: Write, service: text-service, prompt: "{{ PROMPT }}"}
  - {name: Speak, service: text-service, needs: [Write], params: {voice: "{{ VOICE }}"}, retry: {max_attempts: 2, delay: 1ms}}
  - {name: Each, service: text-service, needs: [Write], foreach: {{ result('Write').parts }}, concurrency: {key: k, max: 1}}
  - name: Approve
    needs: [Write]
    gate: {title: Fine?, draft: "{{ result('Write').parts }}", quorum: 2, self_approval: false, who: [ann, bob, "group:editors"]}
  - {name: Inner, scenario: Alone, needs: [Write], optional: true}
  - {name: Film, service: video-service, needs: [Speak, Each, Approve, Inner], join: {at_least: 1}}
  - {name: Undo, service: text-service, compensates: Write}
  - {name: Tell, service: text-service, finally: true}
"""
ALONE: Final = """\
name: Alone
variables: {PROMPT: nothing, VOICE: anna}
tasks:
  - {name: Film, service: video-service}
"""
WAY: Final = """\
name: Way
variables: {PROMPT: nothing, VOICE: ben}
tasks:
  - {name: Write, service: text-service}
  - {name: Speak, service: text-service, needs: [Write], params: {voice: "{{ VOICE }}"}}
"""
TEMPLATES: Final = {"Machine": MACHINE, "Everything": EVERYTHING, "Alone": ALONE, "Way": WAY}
USUAL: Final = {
    "scenario": (*TEMPLATES, "Nothing"),
    "event": ("go", "stop"),
    "service": ("text-service", "video-service", "new-service"),
    "from": ("Write", "Speak", "Film"),
    "variables.": ("PROMPT", "VOICE"),
    "params.": ("voice", "speed"),
    "weights.": ("acme", "tiny"),
}
WEIGHTS: Final = {
    "generate": 3,
    "report_task": 6,
    "decide_gate": 4,
    "list_gates": 2,
    "send_event": 3,
    "resume_everything": 3,
    "create_schedule": 3,
}
"""More of what leads on, or takes back what stops all."""


def worker_of(url: str, artifacts: str) -> Worker:
    """A worker of `text-service` whose tasks do next to nothing, and fail at times; nobody does those of `video-service`."""
    worker = Worker("text-service", redis_url=url, artifacts=artifacts)

    @worker.task("Write")
    async def write(ctx: Context) -> Json:
        return {"parts": [1, 2]}

    @worker.task("Speak")
    async def speak(ctx: Context) -> Artifact:
        if ctx.params.get("voice") == "anna":
            raise Fail("no such voice", code="BadVoice")
        return await ctx.artifacts.put_async("voice.txt", b"hello")

    @worker.task("Each")
    @worker.task("Undo")
    @worker.task("Tell")
    @worker.task("Pack")
    async def nothing(ctx: Context) -> None:
        return None

    return worker


class Answers:
    """What an OpenAPI document says of them."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        self._components = document["components"]
        self._validators: dict[tuple[str, str], jsonschema_rs.Draft202012Validator] = {}

    def wrong(self, sent: Sent, answer: httpx.Response) -> str:
        """What the document does not say of this answer; empty: it says all."""
        described = sent.operation["responses"].get(str(answer.status_code))
        if described is None:  # as 500 never is
            return "a status that is not documented"
        media = answer.headers.get("content-type", "").partition(";")[0]
        if not {media, "*/*"} & set(described.get("content", {"": None})):
            return f"a body of another kind ({media})"
        if media not in described.get("content", ()) or not media.endswith("json"):
            return ""
        found, schema = answer.json(), described["content"][media]["schema"]
        validator = self._validator((sent.operation["operationId"], str(answer.status_code)), schema)
        if error := next(validator.iter_errors(found), None):
            return f"off its schema at {list(error.instance_path)}: {error.message}"
        return _wrong_problem(found, answer, described["description"]) if media == PROBLEM else ""

    def _validator(self, key: tuple[str, str], schema: Json) -> jsonschema_rs.Draft202012Validator:
        if key not in self._validators:
            whole = {**schema, "components": self._components}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        return self._validators[key]


def _wrong_problem(found: Json, answer: httpx.Response, description: str) -> str:
    code = found["code"]
    fits = found["status"] == answer.status_code and found["type"] == f"/problems/{code}"
    return "" if fits and f"`{code}`" in description else f"a problem that is not documented ({code})"


class Sweep:
    """See the module."""

    def __init__(
        self, client: httpx.AsyncClient, link: RedisLink, document: Mapping[str, Json], answers: Answers
    ) -> None:
        self._client = client
        self._link = link
        self._answers = answers
        self._memory = Memory()
        self._requests = Requests(document, USUAL, WEIGHTS, self._memory)

    async def begin(self) -> None:
        """Make something of each kind."""
        for name in TEMPLATES:
            await self._made("/generate", {"scenario": name, "submitter": "carl"})
        await self._made("/schedules", {"scenario": "Way", "every_s": 1})
        await self._made("/webhooks", {"url": "http://127.0.0.1:9/x"})
        await self._made("/batches", {"scenario": "Alone"})

    async def step(self, n: int) -> None:
        """Send request number `n`, and check the answer."""
        sent = self._requests.make(n)
        answer = await self._client.send(sent.request)
        wrong = self._answers.wrong(sent, answer)
        assert not wrong, f"{wrong}: {_told(sent.request)} -> {answer.status_code} {answer.text[:2_000]}"
        if answer.is_success and answer.headers["content-type"] == "application/json":
            self._memory.learn(answer.json(), sent.path)

    async def finish(self) -> None:
        """Take back what stops the work, cancel all that is left, and see that it ends."""
        await self._clear("/schedules", "schedule_id")
        await self._clear("/webhooks", "id")
        await self._done("POST", "/resume")
        for service in await self._items("/services"):
            await self._done("POST", f"/services/{service['service']}/resume")
            await self._done("DELETE", f"/services/{service['service']}")
        await wait_until(self._is_over, what="the end of all scenarios", timeout_s=60)

    async def check_end(self) -> None:
        """Nothing is amiss; and when retention is over, nothing is left."""
        await self._check()
        await wait_until(self._is_purged, what="the purge of all", timeout_s=60)
        await self._check()

    async def _check(self) -> None:
        findings = (await checked(self._link)).findings
        assert not findings, findings
        assert await leaked_keys(self._link) == []

    async def _is_over(self) -> bool:
        left = [
            one
            for status in ("pending", "processing")
            for one in await self._items(f"/scenarios?limit=200&status={status}")
        ]
        for one in left:
            for act in ("resume", "cancel"):
                await self._client.post(f"/scenarios/{one['scenario_id']}/{act}")
        return not left

    async def _is_purged(self) -> bool:
        """Let the retention of all be over. What was to fire, or to run again, may have begun after the others ended."""
        await self._is_over()
        for member in await self._link.execute("ZRANGE", "timers", 0, -1):
            if member.startswith(b"purge:"):
                await self._link.execute("ZADD", "timers", "XX", 1, member)
        left = await self._link.execute("KEYS", "scenario:*")
        return not left and not await self._link.execute("ZCARD", "timers")

    async def _made(self, path: str, body: Json) -> None:
        media = "application/x-ndjson" if path == "/batches" else "application/json"
        answer = await self._client.post(path, content=json.dumps(body), headers={"Content-Type": media})
        assert answer.status_code == 201, answer.text
        self._memory.learn(answer.json(), path)

    async def _clear(self, path: str, key: str) -> None:
        while found := await self._items(path):
            for one in found:
                await self._done("DELETE", f"{path}/{one[key]}")

    async def _items(self, path: str) -> list[Json]:
        answer = await self._client.get(path)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return found if isinstance(found, list) else list(found["items"])

    async def _done(self, method: str, path: str) -> None:
        answer = await self._client.request(method, path)
        assert answer.status_code in (200, 404), answer.text


def _told(request: httpx.Request) -> str:
    headers = {
        name: value
        for name, value in request.headers.items()
        if name in ("content-type", "idempotency-key", "range")
    }
    return f"{request.method} {request.url} {headers} {request.content!r}"


class System:
    """An API, an engine and a worker, which may be started again and again.

    Args:
        url: of a server.
        folder: takes the templates and the artifacts.
    """

    def __init__(self, url: str, folder: Path) -> None:
        for name, text in TEMPLATES.items():
            (folder / f"{name}.yml").write_text(text)
        without_file: dict[str, Json] = {"_env_file": None}
        self._settings = Settings(
            **without_file,
            redis_url=url,
            unsafe_volatile=True,
            templates=(folder,),
            artifacts=str(folder / "artifacts"),
            webhooks_allow_http=True,
            webhooks_allow_private=True,
            durability_timeout_ms=10,
            max_unfinished_of_tenant=20,
        )
        self._registry = Registry([folder])
        self._app = create_app(self._settings)
        self._document = self._app.openapi()
        self._answers = Answers(self._document)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Sweep]:
        """Empty the server, and start all; until the block ends."""
        url = self._settings.redis_url
        sending = Sending(egress=Egress(allow_http=True, allow_private=True), timeout_s=2.0)
        async with AsyncExitStack() as stack:
            link = RedisLink(url)
            stack.push_async_callback(link.close)
            await link.execute("FLUSHALL")
            await stack.enter_async_context(self._app.router.lifespan_context(self._app))
            engine = running_engine(url, PATIENT, templates=self._registry, sending=sending)
            await stack.enter_async_context(engine)
            await stack.enter_async_context(worker_of(url, self._settings.artifacts).running())
            transport = httpx.ASGITransport(self._app)
            client = httpx.AsyncClient(transport=transport, base_url=BASE, timeout=60)
            await stack.enter_async_context(client)
            yield Sweep(client, link, self._document, self._answers)
