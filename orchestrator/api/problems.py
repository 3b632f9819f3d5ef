"""Errors as the client sees them (RFC 9457): the list of their codes, and the only place with their HTTP numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 50


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of error. `meaning` tells the client what to do about it."""

    status: int
    title: str
    meaning: str


KINDS: Final[Mapping[str, Kind]] = {
    "invalid_request": Kind(400, "Malformed request", "The request breaks the rules of HTTP or of a header."),
    "invalid_query": Kind(
        400,
        "Unknown query parameter",
        "`errors` names each parameter that this address does not take, or takes once only.",
    ),
    "invalid_json": Kind(
        422,
        "Not strict JSON",
        "The body must be one JSON value in UTF-8: no duplicate keys, NaN, infinities, lone surrogates, integers "
        "beyond ±2^53, and at most 64 levels.",
    ),
    "not_found": Kind(
        404, "Not found", "There is no such thing. It may never have existed, or retention removed it."
    ),
    "unknown_template": Kind(
        404, "Unknown template", "No template has this name; GET /templates lists them."
    ),
    "no_artifact": Kind(
        404,
        "No artifact",
        "The task has no artifact, or not yet; a result that is JSON stands in the task itself.",
    ),
    "artifact_elsewhere": Kind(
        404,
        "Artifact lies elsewhere",
        "`result_ref` points outside the artifact store of this server: fetch it from where it points.",
    ),
    "method_not_allowed": Kind(
        405, "Method not allowed", "The header Allow names the methods of this address."
    ),
    "body_timeout": Kind(408, "Body too slow", "Send the request again, faster."),
    "idempotency_conflict": Kind(
        409,
        "Idempotency key in use",
        "The key was used with another body: repeat that body, or use a new key.",
    ),
    "scenario_too_large": Kind(
        422,
        "Scenario too large",
        "All tasks together are larger than one scenario may be: put large inputs into files and refer to them.",
    ),
    "already_final": Kind(
        409, "Task is final", "The task ended with another status; reports change nothing any more."
    ),
    "scenario_final": Kind(
        409, "Scenario is final", "The scenario has ended; nothing of it can be cancelled or paused."
    ),
    "not_alone": Kind(
        409, "Cannot be cancelled alone", "The task is a part of something; `detail` says what to do instead."
    ),
    "invalid_transition": Kind(
        409, "Event not allowed", "The state does not take this event; `allowed` lists those that it takes."
    ),
    "bad_link": Kind(
        403, "Link is not valid", "It was not made here, or not for this gate: ask for another."
    ),
    "may_not_decide": Kind(
        403, "May not decide", "`who` of the gate names those who may; the submitter may be left out."
    ),
    "gate_closed": Kind(
        409, "Gate is closed", "It was decided, its deadline came, or its task was cancelled."
    ),
    "already_voted": Kind(409, "Has voted", "One vote a person; the same vote again is no error."),
    "gate_changed": Kind(
        409, "Value has changed", "Somebody put another value in its place: look at it and decide again."
    ),
    "link_over": Kind(410, "Link is over", "It was used, or has expired: ask for another."),
    "invalid_value": Kind(
        422, "Value does not satisfy the form", "`errors` says where; the form is a part of the gate."
    ),
    "not_a_dead_letter": Kind(
        409, "No dead letter", "The task did not fail for good, or was redriven or dismissed already."
    ),
    "cannot_revive": Kind(409, "Cannot run again", "`detail` says why nothing of it can run again now."),
    "cannot_rerun": Kind(409, "Cannot be rerun", "`reason` and `detail` say why."),
    "not_ready": Kind(409, "Task is not ready", "Tasks that it depends on have not succeeded yet."),
    "held_by_worker": Kind(
        409, "Task is held by a worker", "A worker holds the task; only a report with its token is taken."
    ),
    "stale_token": Kind(
        409, "Token is stale", "The task was handed out again; the newer attempt has another token."
    ),
    "too_many_webhooks": Kind(409, "Too many webhooks", "Remove an endpoint that is not needed any more."),
    "webhook_disabled": Kind(
        409, "Webhook is disabled", "Enable the endpoint first; `reason` of it says why it was disabled."
    ),
    "webhook_full": Kind(
        409,
        "Too many deliveries wait",
        "As many wait for the endpoint as there may be: mend it, or redrive what waits.",
    ),
    "delivery_held": Kind(409, "Attempt under way", "Look at the delivery again in a moment."),
    "body_too_large": Kind(
        413, "Body too large", "Put large content into the artifact store and send its reference."
    ),
    "url_too_long": Kind(414, "Address too long", "Shorten the path and the query."),
    "unsupported_media_type": Kind(
        415, "Unsupported media type", "Bodies are application/json, never compressed."
    ),
    "range_not_satisfiable": Kind(
        416, "Range not satisfiable", "Ask for one range of bytes within the artifact."
    ),
    "invalid_field": Kind(
        422, "Invalid field", "`errors` names each field that is missing, wrong or unknown."
    ),
    "invalid_cursor": Kind(422, "Invalid cursor", "Use `next_cursor` of the page before, unchanged."),
    "invalid_template": Kind(
        422,
        "Template cannot be used",
        "`errors` lists what is wrong with the template or its variables, by line.",
    ),
    "invalid_schedule": Kind(
        422,
        "Times cannot be used",
        "`errors` names the field: exactly one of cron, every_s, run_at, delay_s; a known time zone.",
    ),
    "schedule_ended": Kind(409, "Schedule has ended", "It has no further fire; make another one."),
    "schedule_busy": Kind(
        409,
        "Schedule is busy",
        "The scenario before still runs, or another fire is under way: try again later.",
    ),
    "overloaded": Kind(
        429,
        "Too much work waits",
        "There is no room for more now, and nothing was stored: repeat after Retry-After.",
    ),
    "too_many_requests": Kind(
        429,
        "Too much work of this tenant",
        "It has as many unfinished scenarios as it may have, and nothing was stored: repeat after Retry-After.",
    ),
    "batch_cancelled": Kind(
        409, "Batch is cancelled", "It takes no further lines: send them as another batch."
    ),
    "too_many_lines": Kind(
        413, "Too many lines", "Send the rest as another batch; what came before is under way."
    ),
    "headers_too_large": Kind(431, "Headers too large", "Send fewer and shorter headers."),
    "internal_error": Kind(500, "Internal error", "A mistake of the server; it is in its log."),
    "busy": Kind(503, "Too much at once", "Repeat after Retry-After."),
    "artifacts_unavailable": Kind(
        503,
        "Artifacts are not available",
        "The store that keeps them did not answer: repeat after Retry-After.",
    ),
    "unavailable": Kind(
        503, "Redis is not available", "Nothing is known to be lost: repeat after Retry-After."
    ),
}
_BY_STATUS: Final = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed"}


class FieldError(BaseModel):
    """One mistake of a request or of a template."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"pointer": "/slides_count", "detail": "Must be <= 50."}]}
    )

    pointer: str | None = Field(
        default=None, description="JSON Pointer into the body, or path within the template."
    )
    parameter: str | None = Field(default=None, description="Name of a query parameter or header.")
    detail: str = Field(description="What is wrong.")
    code: str | None = Field(default=None, description="Kind of a template's mistake.")
    file: str | None = Field(default=None, description="File name of the template.")
    line: int | None = Field(default=None, description="Line, from 1.")
    column: int | None = Field(default=None, description="Column, from 1.")


class ProblemOut(BaseModel):
    """Problem details (RFC 9457). Some codes add members, for example `current_status`."""

    model_config = ConfigDict(
        title="Problem",
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/invalid_field",
                    "title": "Invalid field",
                    "status": 422,
                    "detail": "The request has 1 invalid field.",
                    "instance": "/generate",
                    "code": "invalid_field",
                    "errors": [
                        {"pointer": "/slides_count", "detail": "Input should be less than or equal to 50"}
                    ],
                }
            ]
        },
    )

    type: str = Field(description="Address of a page about this kind of error.")
    title: str = Field(description="Name of the kind of error.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What happened this time.")
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Kind of error, stable, for programs.")
    errors: list[FieldError] = Field(default_factory=list, description="Single mistakes, at most 50.")


class Problem(HTTPException):
    """An error for the client.

    Args:
        code: a key of `KINDS`.
        detail: what happened this time; no values of the request, they may be secret.
        errors: single mistakes; at most 50 are told.
        extra: members added to the body.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Iterable[FieldError] = (),
        headers: dict[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(KINDS[code].status, detail, headers)
        self.code = code
        self.errors = list(errors)[:MAX_ERRORS]
        self.extra = extra or {}

    def as_json(self) -> dict[str, Any]:
        """All of it, for another process."""
        errors = [error.model_dump() for error in self.errors]
        parts = {"detail": self.detail, "errors": errors, "headers": self.headers, "extra": self.extra}
        return {"code": self.code, **parts}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Problem":
        """The reverse of `as_json`."""
        errors = [FieldError(**error) for error in told["errors"]]
        return cls(told["code"], told["detail"], errors=errors, headers=told["headers"], extra=told["extra"])


def not_found() -> Problem:
    """The one answer for ids that are unknown, foreign or malformed, so that it tells nothing about which."""
    return Problem("not_found", "There is nothing at this address.")


def bug() -> Problem:
    """The answer to what no code foresaw."""
    return Problem("internal_error", "The server made a mistake; its log has the details.")


def from_status(status: int, headers: Mapping[str, str] | None) -> Problem:
    """The problem for an error that the web framework found (unknown address, wrong method)."""
    code = _BY_STATUS.get(status, "invalid_request" if status < 500 else "internal_error")
    detail = "There is nothing at this address." if code == "not_found" else KINDS[code].meaning
    return Problem(code, detail, headers=dict(headers or {}))


def respond(path: str, problem: Problem) -> JSONResponse:
    """The response for a problem that happened at `path`."""
    kind = KINDS[problem.code]
    body = ProblemOut(
        type=f"/problems/{problem.code}",
        title=kind.title,
        status=kind.status,
        detail=str(problem.detail),
        instance=quote(path),
        code=problem.code,
        errors=problem.errors,
        **problem.extra,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True), kind.status, problem.headers, media_type=MEDIA_TYPE
    )
