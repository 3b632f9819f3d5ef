"""About the service itself: what it is, whether it is well, and what its errors mean."""

import asyncio
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from orchestrator.store.backlog import health_of
from orchestrator.store.last_check import last_check
from workers_sdk.protocol.link import Refused, Unavailable

from .documented import problems
from .problems import KINDS, not_found
from .queues import queues_of
from .service_models import Alive, CheckOut, Endpoint, HealthOut, InfoOut, ProblemKind
from .services import Needs

router = APIRouter(tags=["service"])

Json = Any
HEALTH_TIMEOUT_S: Final = 3.0


def service_version() -> str:
    """Version of the installed distribution; `0` in a tree that is not installed."""
    try:
        return version("scenarist")
    except PackageNotFoundError:
        return "0"


@router.get("/", operation_id="info", summary="What this service is")
async def info(request: Request) -> InfoOut:
    """Give name, version and all addresses."""
    paths = request.app.openapi()["paths"]
    endpoints = [
        Endpoint(method=method.upper(), path=path, summary=operation["summary"])
        for path, operations in paths.items()
        for method, operation in operations.items()
    ]
    return InfoOut(
        service="scenarist", version=service_version(), openapi="/openapi.json", endpoints=endpoints
    )


@router.get(
    "/health",
    operation_id="health",
    summary="Whether the service can work, and how much waits",
    responses={503: {"model": HealthOut, "description": "Redis does not answer."}},
)
async def health(response: Response, needs: Needs) -> HealthOut:
    """Ask Redis. 503 when it does not answer within 3 seconds."""
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT_S):
            state, queues, check = await asyncio.gather(
                health_of(needs.store), queues_of(needs.store), last_check(needs.store)
            )
    except (Unavailable, Refused, TimeoutError):
        response.status_code = 503
        return HealthOut(status="unavailable", version=service_version(), redis="unavailable")
    return HealthOut(
        status="ok",
        version=service_version(),
        redis="ok",
        server=state.server,
        server_version=state.version,
        partitions=state.partitions,
        backlog=state.backlog,
        queues=queues,
        last_check=_check_out(check),
    )


@router.get("/livez", operation_id="livez", summary="Whether the process answers")
async def livez() -> Alive:
    """Ask nobody else."""
    return Alive()


@router.get("/readyz", operation_id="readyz", summary="Whether requests can be served", responses=problems())
async def readyz(needs: Needs) -> Alive:
    """Ping Redis."""
    await needs.link.execute("PING")
    return Alive()


@router.get("/problems", operation_id="list_problems", summary="List the kinds of errors")
async def list_problems() -> list[ProblemKind]:
    """Give all codes with their meaning."""
    return [_kind(code) for code in KINDS]


@router.get(
    "/problems/{code}",
    operation_id="get_problem",
    summary="What a kind of error means",
    responses=problems("not_found"),
)
async def get_problem(code: str) -> ProblemKind:
    """Give the meaning of one code: the address in `type` of every error."""
    if code not in KINDS:
        raise not_found()
    return _kind(code)


def _check_out(found: dict[str, Json] | None) -> CheckOut | None:
    """None also when it is of another version, or of nobody of ours."""
    try:
        return CheckOut.model_validate(found) if found else None
    except ValidationError:
        return None


def _kind(code: str) -> ProblemKind:
    kind = KINDS[code]
    return ProblemKind(code=code, status=kind.status, title=kind.title, meaning=kind.meaning)
