"""Takes in the lines of a batch: some at a time, so that Redis and the sender are never waited for in vain."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from orchestrator.store.batches import scenario_id_of
from orchestrator.store.records import Line

from .body import parsed
from .handlers import problem_of
from .models import OwnedIn
from .problems import KINDS, Problem
from .scenarios import carried_out
from .services import Services
from .submission import Answer, Order, digest_of, owner_of, variables_of

AT_ONCE: Final = 8
MAX_ERRORS: Final = 5
BREAKING: Final = frozenset(("overloaded", "unavailable", "busy", "batch_cancelled", "internal_error"))
"""Problems that are none of a line: with them the batch is broken off."""

Json = Any


class Intake:
    """The lines of one batch and what became of them.

    Attributes:
        results: JSON of one `LineOut` after the other, with commas.
        lines: number of the last line that was dealt with.
    """

    def __init__(self, batch_id: str, needs: Services) -> None:
        self.batch_id = batch_id
        self.results = bytearray()
        self.lines = self.accepted = self.replayed = self.refused = 0
        self._needs = needs

    async def take(self, lines: AsyncIterator[tuple[int, bytes]]) -> None:
        """Make a scenario of each line.

        Raises:
            Problem: it was broken off; what had been accepted stays, and is named.
        """
        try:
            some: list[tuple[int, bytes]] = []
            async for line in lines:
                some.append(line)
                if len(some) == AT_ONCE:
                    await self._take(some)
                    some = []
            await self._take(some)
        except Problem as problem:
            raise self.broken_off(problem) from problem

    def broken_off(self, problem: Problem) -> Problem:
        """The problem, with what is known of the batch."""
        facts = {"batch_id": self.batch_id, "accepted": self.accepted, "lines": self.lines}
        return Problem(
            problem.code,
            str(problem.detail),
            errors=problem.errors,
            headers=dict(problem.headers or {}),
            extra={**problem.extra, **facts},
        )

    async def _take(self, some: list[tuple[int, bytes]]) -> None:
        found = await asyncio.gather(*(self._one(number, data) for number, data in some if data.strip()))
        for result in found:
            self._note(result)
        problems = [result for result in found if isinstance(result, Problem)]
        if problems:
            raise problems[0]
        self.lines = some[-1][0] if some else self.lines

    def _note(self, result: Json) -> None:
        if isinstance(result, Problem):
            return
        self.accepted += "scenario_id" in result
        self.replayed += result.get("replayed", False)
        self.refused += "problem" in result
        self.results += (b"," if self.results else b"") + orjson.dumps(result)

    async def _one(self, number: int, data: bytes) -> Json:
        """A `LineOut`, or the Problem with which the batch ends."""
        try:
            answer = await self._made(number, data)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            return problem if problem.code in BREAKING else _refused(number, problem)
        return {"line": number, "scenario_id": answer.scenario_id} | (
            {"replayed": True} if answer.replayed else {}
        )

    async def _made(self, number: int, data: bytes) -> Answer:
        needs = self._needs
        body = await _read(data)
        template = needs.registry.get(body.scenario)
        variables, warnings = variables_of(body, template)
        order = Order(
            "generate",
            template,
            scenario_id_of(self.batch_id, number),
            variables,
            warnings,
            needs.settings.strict_templates,
            owner=owner_of(body),
            line=Line(self.batch_id, number, digest_of(body)),
        )
        await needs.admission.check()
        return await carried_out(order, len(data), needs)


async def _read(data: bytes) -> OwnedIn:
    """Raises: Problem, RequestValidationError."""
    try:
        return OwnedIn.model_validate(await parsed(data))
    except ValidationError as error:
        errors = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_context=False)]
        raise RequestValidationError(errors) from error


def _refused(number: int, problem: Problem) -> Json:
    errors = [error.model_dump(exclude_none=True) for error in problem.errors[:MAX_ERRORS]]
    told = {"code": problem.code, "status": KINDS[problem.code].status, "detail": str(problem.detail)}
    return {"line": number, "problem": {**told, "errors": errors}}
