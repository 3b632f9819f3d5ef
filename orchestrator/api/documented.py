"""What OpenAPI says beyond what FastAPI finds out by itself: problems, and the strings of their codes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .problems import KINDS, MEDIA_TYPE, ProblemOut

TAGS = [
    {"name": "scenarios", "description": "Generate scenarios and watch them."},
    {"name": "batches", "description": "Many scenarios as one."},
    {"name": "tasks", "description": "Look at tasks and report about them."},
    {"name": "dead letters", "description": "Tasks that failed for good: look, edit, run them again."},
    {"name": "gates", "description": "What waits for people, and their decisions."},
    {"name": "flow", "description": "Limits and pauses of services."},
    {"name": "schedules", "description": "Scenarios that start at their time."},
    {"name": "templates", "description": "What can be generated, and how it would look."},
    {"name": "artifacts", "description": "What the workers made."},
    {"name": "webhooks", "description": "Have others told when a scenario ends."},
    {"name": "service", "description": "About the service itself."},
]


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Documentation of a route's problems, for its `responses`. 503 is added: every route stands on Redis."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for code in sorted({*codes, "unavailable"}, key=lambda code: (KINDS[code].status, code)):
        kind = KINDS[code]
        entry = by_status.setdefault(kind.status, {"model": ProblemOut, "description": ""})
        entry["description"] += f"`{code}`: {kind.meaning} "
    for entry in by_status.values():
        entry["description"] = entry["description"].strip()
    return by_status


EVERYWHERE = ("invalid_request", "invalid_query", "method_not_allowed", "url_too_long", "headers_too_large")
"""Codes that every address may answer with, before any route is asked."""

BODY = ("invalid_json", "invalid_field", "body_too_large", "body_timeout", "unsupported_media_type")
"""Codes that every route with a body may answer with."""


ADMISSION = ("overloaded", "too_many_requests")
"""Codes that every route may answer with that starts a scenario on request."""


def install(app: FastAPI) -> None:
    """Replace the document of an app by the corrected one, made once."""

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=TAGS
    )
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"] = _as_problems(operation["responses"])
            _add_everywhere(operation["responses"])
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document


def _add_everywhere(responses: dict[str, Any]) -> None:
    schema = {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}
    for code in EVERYWHERE:
        kind = KINDS[code]
        known = responses.setdefault(
            str(kind.status), {"description": "", "content": {MEDIA_TYPE: {"schema": schema}}}
        )
        if f"`{code}`" not in known["description"]:
            known["description"] = f"{known['description']} `{code}`: {kind.meaning}".strip()


def _as_problems(responses: dict[str, Any]) -> dict[str, Any]:
    """FastAPI documents every model as application/json, and an error of its own form wherever there is a parameter."""
    result = {}
    for status, response in responses.items():
        content = response.get("content", {})
        schema = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        if schema.endswith("/ProblemOut"):
            response["content"] = {MEDIA_TYPE: content["application/json"]}
        if not schema.endswith("/HTTPValidationError"):
            result[status] = response
    return result
