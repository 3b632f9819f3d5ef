"""Turns exceptions into problems: the one table from what our code raises to what the client reads."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as FrameworkError

from orchestrator.artifacts import ArtifactsUnavailable
from orchestrator.store.arguments import ScenarioTooLarge
from orchestrator.store.listing import BadCursor
from orchestrator.store.outcomes import BatchCancelled, IdempotencyConflict, Overloaded, TenantFull
from orchestrator.store.schedules import ScheduleEnded
from orchestrator.store.when import BadWhen
from orchestrator.templates import TemplateError, TemplateProblem, UnknownTemplate
from workers_sdk.protocol.link import Unavailable
from workers_sdk.protocol.messages import Malformed

from .problems import FieldError, Problem, from_status, respond

_MAX_KEY_CHARS = 100
RETRY_AFTER_S = 1
BUSY_RETRY_AFTER_S: Final = 5
"""Some scenarios may have ended by then."""


def install(app: FastAPI) -> None:
    """Register the handlers. What is not in this table is a bug and is answered by `Edge`."""
    for kind, make in _TABLE.items():
        app.add_exception_handler(kind, _handler(make))


def problem_of(error: Exception) -> Problem | None:
    """The problem for an error; None for a bug."""
    make = next((make for kind, make in _TABLE.items() if isinstance(error, kind)), None)
    return make(error) if make else None


def _handler(make: Any) -> Any:
    async def handle(request: Request, error: Exception) -> JSONResponse:
        problem = make(error)
        request.state.problem = problem.code
        if isinstance(error, Unavailable | ArtifactsUnavailable):
            request.state.cause = str(error)
        return respond(request.scope["path"], problem)

    return handle


def _framework(error: FrameworkError) -> Problem:
    return error if isinstance(error, Problem) else from_status(error.status_code, error.headers)


def _invalid(error: RequestValidationError) -> Problem:
    errors = [_field_error(item) for item in error.errors()]
    count = f"{len(errors)} invalid field" + ("s" if len(errors) > 1 else "")
    return Problem("invalid_field", f"The request has {count}: {errors[0].detail}", errors=errors)


def _field_error(item: dict[str, Any]) -> FieldError:
    """pydantic's messages name limits and choices, never the value that was sent."""
    place, *path = item["loc"]
    detail = item["msg"].removeprefix("Value error, ").removesuffix(".") + "."
    if item["loc"] == ("body",) and item["type"] == "missing":
        detail = "Send a JSON object, {} where there is nothing to say."
    if place == "body":
        return FieldError(pointer=pointer(path), detail=detail)
    return FieldError(parameter=str(path[0]) if path else str(place), detail=detail)


def pointer(path: Sequence[str | int]) -> str:
    """JSON Pointer (RFC 6901) of a path; keys that the client made up are cut."""
    return "".join("/" + str(part)[:_MAX_KEY_CHARS].replace("~", "~0").replace("/", "~1") for part in path)


def _template(error: TemplateError) -> Problem:
    errors = [_template_error(problem) for problem in error.problems]
    more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
    return Problem("invalid_template", f"{errors[0].detail}{more}" if errors else str(error), errors=errors)


def _template_error(problem: TemplateProblem) -> FieldError:
    return FieldError(
        pointer=problem.path or None,
        detail=problem.message + (f" ({problem.hint})" if problem.hint else ""),
        code=problem.code,
        file=problem.file.replace("\\", "/").rpartition("/")[2] or None,
        line=problem.line or None,
        column=problem.column or None,
    )


def _unknown_template(error: UnknownTemplate) -> Problem:
    return Problem("unknown_template", str(error), extra={"matches": error.matches})


def _cursor(_error: BadCursor) -> Problem:
    where = FieldError(parameter="cursor", detail="This is no cursor of this list.")
    return Problem("invalid_cursor", where.detail, errors=[where])


def _conflict(error: IdempotencyConflict) -> Problem:
    detail = "This Idempotency-Key came with another body before."
    return Problem("idempotency_conflict", detail, extra={"scenario_id": str(error)})


def _scenario_too_large(error: ScenarioTooLarge) -> Problem:
    return Problem("scenario_too_large", f"The scenario is too large: {error}.")


def _malformed(error: Malformed) -> Problem:
    return Problem("invalid_field", f"The report is not acceptable: {error}.")


def _bad_when(error: BadWhen) -> Problem:
    where = FieldError(
        pointer=f"/{error.field}" if error.field else "", detail=f"{str(error)[:1].upper()}{str(error)[1:]}."
    )
    return Problem("invalid_schedule", where.detail, errors=[where])


def _schedule_ended(_error: ScheduleEnded) -> Problem:
    return Problem("schedule_ended", "The schedule has no further fire.")


def _overloaded(error: Overloaded) -> Problem:
    code = "too_many_requests" if isinstance(error, TenantFull) else "overloaded"
    detail = f"Not accepted: {error}."
    return Problem(code, detail, headers={"Retry-After": str(BUSY_RETRY_AFTER_S)})


def _batch_cancelled(error: BatchCancelled) -> Problem:
    return Problem("batch_cancelled", "The batch was cancelled.", extra={"batch_id": str(error)})


def _unavailable(_error: Unavailable) -> Problem:
    detail = "Redis gave no answer; the request may or may not have been carried out."
    return Problem("unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def _artifacts_unavailable(_error: ArtifactsUnavailable) -> Problem:
    detail = "The store of the artifacts gave no answer; the result is not lost by that."
    return Problem("artifacts_unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


_TABLE: Final[dict[type[Exception], Callable[[Any], Problem]]] = {
    RequestValidationError: _invalid,
    FrameworkError: _framework,
    TemplateError: _template,
    UnknownTemplate: _unknown_template,
    BadCursor: _cursor,
    IdempotencyConflict: _conflict,
    ScenarioTooLarge: _scenario_too_large,
    Malformed: _malformed,
    BadWhen: _bad_when,
    ScheduleEnded: _schedule_ended,
    BatchCancelled: _batch_cancelled,
    Overloaded: _overloaded,  # before what it is a kind of
    Unavailable: _unavailable,
    ArtifactsUnavailable: _artifacts_unavailable,
}
