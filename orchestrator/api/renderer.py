"""The process that makes large scenarios: `python -m orchestrator.api.renderer`, started by `renderers.py`.

It takes one order at a time from its standard input and ends when that does. Its standard output is the pipe back, so
everything else that is printed goes to standard error.
"""

import asyncio
import functools
import gc
import os
import sys
from dataclasses import asdict
from typing import Any, BinaryIO, Final

import structlog

from orchestrator.config import Settings
from orchestrator.logs import configure
from orchestrator.processes import die_with_parent
from orchestrator.store.records import Idempotency, Line, Owner
from orchestrator.store.store import Store
from orchestrator.templates import Limits, Template, load_template
from workers_sdk.protocol.link import RedisLink

from . import frames
from .handlers import problem_of
from .policy import policy_of
from .problems import Problem, bug
from .submission import Answer, Order, carry_out

_TEMPLATES: Final = 64

Json = Any

log = structlog.get_logger("orchestrator.api")


def order_frame(order: Order) -> bytes:
    """An order as this process reads it."""
    template = order.template
    head = {
        "work": order.work,
        "template": {"text": template.text, "file": template.file, "name": template.name},
        "scenario_id": order.scenario_id,
        "variables": order.variables,
        "warnings": order.warnings,
        "strict": order.strict,
        "idempotency": asdict(order.idempotency) if order.idempotency else None,
        "owner": asdict(order.owner),
        "line": asdict(order.line) if order.line else None,
        "admit": order.admit,
        "templates": order.templates,
    }
    return frames.packed(head)


def answer_of(head: Json, body: bytes) -> Answer:
    """The answer in a frame. Raises Problem: what `carry_out` raised."""
    if told := head.get("problem"):
        raise Problem.from_json(told)
    return Answer(body, head["scenario_id"], head["replayed"])


def main() -> None:
    """See the module."""
    die_with_parent()
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if start := frames.read(orders):
        settings = Settings(**start[0])
        configure("debug" if settings.debug else settings.log_level, json=settings.log_json)
        # A scenario is a hundred thousand objects without a cycle: looking for one costs more than making it.
        gc.disable()
        gc.freeze()
        with asyncio.Runner() as runner:
            _work(runner, _Renderer(settings), orders, answers)


def _work(runner: asyncio.Runner, renderer: "_Renderer", orders: BinaryIO, answers: BinaryIO) -> None:
    while order := frames.read(orders):
        answer = runner.run(renderer.answer(order[0]))
        try:
            answers.write(answer)
            answers.flush()
        except BrokenPipeError:
            os._exit(0)  # the API was killed, so nobody waits; a usual exit would flush once more
        gc.collect(1)  # what this order left; what is kept for the next has no cycles
    runner.run(renderer.close())


class _Renderer:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = Limits(max_tasks=settings.max_tasks)
        self._link = RedisLink(settings.redis_url, connections=1, name="scenarist-renderer")
        self._store: Store | None = None

    async def answer(self, order: Json) -> bytes:
        """A frame: the answer, or the problem that there is."""
        try:
            answer = await carry_out(_order(order), await self._opened(), self._limits)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.exception("order_failed", scenario_id=order["scenario_id"])
            return frames.packed({"problem": (problem or bug()).as_json()})
        return frames.packed({"scenario_id": answer.scenario_id, "replayed": answer.replayed}, answer.body)

    async def close(self) -> None:
        await self._link.close()

    async def _opened(self) -> Store:
        if self._store is None:
            settings = self._settings
            self._store = await Store.open(
                self._link,
                partitions=settings.partitions,
                policy=policy_of(settings),
                unsafe_volatile=settings.unsafe_volatile,
            )
        return self._store


def _order(told: Json) -> Order:
    template = _template(**told.pop("template"))
    known, owner, line = told.pop("idempotency"), told.pop("owner"), told.pop("line")
    return Order(
        template=template,
        idempotency=Idempotency(**known) if known else None,
        owner=Owner(**owner),
        line=Line(**line) if line else None,
        **told,
    )


@functools.lru_cache(_TEMPLATES)
def _template(text: str, file: str, name: str) -> Template:
    return load_template(text, file=file, name=name)


if __name__ == "__main__":
    main()
