"""Artifacts: bytes that workers made, whole or one range of them."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from orchestrator.artifacts import Stored

from .documented import problems
from .downloads import Span, headers_of, span_of
from .problems import Problem, not_found
from .services import Needs, Services
from .tasks import existing_task

router = APIRouter(tags=["artifacts"])

_BINARY: Final[dict[str, Any]] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_DOWNLOAD: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The artifact, in its own media type.", "content": _BINARY},
    206: {"description": "The range that was asked for.", "content": _BINARY},
    304: {"description": "The client has it already (If-None-Match)."},
}


@router.get(
    "/tasks/{task_id}/result",
    operation_id="get_task_result",
    summary="Download the artifact of a task",
    response_class=Response,
    responses=_DOWNLOAD
    | problems(
        "not_found", "no_artifact", "artifact_elsewhere", "range_not_satisfiable", "artifacts_unavailable"
    ),
)
@router.head("/tasks/{task_id}/result", include_in_schema=False)
async def get_task_result(task_id: str, request: Request, needs: Needs) -> Response:
    """Give the bytes that `result_ref` points to, when they lie in the artifact store."""
    task = await existing_task(task_id, request, needs)
    if not task.result_ref:
        raise Problem("no_artifact", "The task has no artifact.", extra={"current_status": task.status.value})
    paths = needs.artifacts.paths_of(task.result_ref)
    if not paths:
        detail = "`result_ref` points outside the artifact store of this server."
        raise Problem("artifact_elsewhere", detail, extra={"result_ref": task.result_ref})
    return await _download(paths, request, needs)


@router.get(
    "/artifacts/{path:path}",
    operation_id="get_artifact",
    summary="Download an artifact",
    response_class=Response,
    responses=_DOWNLOAD | problems("not_found", "range_not_satisfiable", "artifacts_unavailable"),
)
@router.head("/artifacts/{path:path}", include_in_schema=False)
async def get_artifact(path: str, request: Request, needs: Needs) -> Response:
    """Give the bytes at `<scenario_id>/<task_id>/<attempt>/<name>`."""
    return await _download([path], request, needs)


async def _download(paths: list[str], request: Request, needs: Services) -> Response:
    stored = await _first(paths, needs)
    headers = headers_of(stored)
    if stored.etag and request.headers.get("if-none-match") in (stored.etag, "*"):
        return Response(status_code=304, headers=headers)
    span = span_of(request.headers, stored)
    status = 206 if span else 200
    if span:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{stored.size}"
    return _body(request, needs, stored, span or Span(0, stored.size), status, headers)


async def _first(paths: list[str], needs: Services) -> Stored:
    for path in paths:
        if stored := await needs.artifacts.find(path):
            return stored
    raise not_found()


def _body(
    request: Request, needs: Services, stored: Stored, span: Span, status: int, headers: dict[str, str]
) -> Response:
    headers["Content-Length"] = str(span.end - span.start)
    media_type = headers.pop("Content-Type")
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    chunks = needs.artifacts.read(stored, span.start, span.end)
    return StreamingResponse(chunks, status, headers, media_type)
