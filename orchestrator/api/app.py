"""Puts the API together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import Depends, FastAPI

from orchestrator.artifacts import Artifacts
from orchestrator.config import Settings
from orchestrator.logs import configure
from orchestrator.packs import discover
from orchestrator.store.admission import Admission
from orchestrator.store.durability import ROUNDS, Confirmer
from orchestrator.store.store import Store
from orchestrator.templates import Registry
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import Link, RedisLink

from . import (
    artifacts,
    batches,
    cancel,
    dead_letters,
    deliveries,
    documented,
    flow,
    gate_page,
    gates,
    handlers,
    health,
    revival,
    scenarios,
    schedule_fires,
    schedules,
    states,
    tasks,
    templates,
    webhooks,
    why,
)
from .edge import Edge
from .health import service_version
from .known_query import known_query
from .policy import egress_of, policy_of
from .renderers import Renderers
from .services import Services

_ABOUT = """One request becomes a graph of tasks over Redis Streams.

Every error is a problem document (RFC 9457) with a stable `code`; `GET /problems` lists them all."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    settings: Settings,
    link: Link | None = None,
    *,
    artifact_store: Artifacts | None = None,
    warm: bool = False,
) -> FastAPI:
    """Make the API.

    Args:
        settings: see `Settings`.
        link: an open link to Redis that the caller closes; without it the app opens its own at start.
        artifact_store: read artifacts there, not below `settings.artifacts`.
        warm: start at once what otherwise the first large scenario would wait for.

    The start of the app raises what `Store.open`, `discover` and `Registry` raise.
    """
    app = FastAPI(
        title="Scenarist",
        version=service_version(),
        description=_ABOUT,
        lifespan=_lifespan(settings, link, artifact_store, warm=warm),
        dependencies=[Depends(known_query)],
        redirect_slashes=False,
        strict_content_type=False,  # `JsonRequest` is stricter, but takes a missing body
        docs_url="/docs" if settings.debug else None,
        redoc_url="/redoc" if settings.debug else None,
    )
    app.add_middleware(Edge)
    handlers.install(app)
    routers = (
        scenarios,
        states,
        batches,
        schedules,
        schedule_fires,
        tasks,
        cancel,
        flow,
        dead_letters,
        revival,
        gates,
        gate_page,
        webhooks,
        deliveries,
        templates,
        artifacts,
        health,
        why,
    )
    for module in routers:
        app.include_router(module.router)
    documented.install(app)
    return app


def app_from_env() -> FastAPI:
    """Make the API from the environment, for `uvicorn --factory orchestrator.api.app:app_from_env`."""
    settings = Settings()
    configure("debug" if settings.debug else settings.log_level, json=settings.log_json)
    return create_app(settings, warm=True)


def template_registry(settings: Settings) -> Registry:
    """Templates of the settings' folders and of all packs. Raises: PackError, TemplateError, OSError."""
    folders = [pack.template_folder for pack in discover() if pack.template_folder.is_dir()]
    return Registry(folders, overriding=settings.templates)


def _confirmer(settings: Settings) -> Confirmer:
    """It connects when something is to be confirmed."""
    timeout_ms = settings.durability_timeout_ms
    waiting = RedisLink(
        settings.redis_url, block_ms=timeout_ms, connections=ROUNDS, name="scenarist-durability"
    )
    return Confirmer(waiting, Partitions(settings.partitions), timeout_ms=timeout_ms)


def _lifespan(
    settings: Settings, given: Link | None, artifact_store: Artifacts | None, *, warm: bool
) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            link = given or RedisLink(settings.redis_url, connections=64, name="scenarist-api")
            if given is None:
                stack.push_async_callback(link.close)
            store = await Store.open(
                link,
                partitions=settings.partitions,
                policy=policy_of(settings),
                unsafe_volatile=settings.unsafe_volatile,
                wait_s=settings.redis_wait_s,
            )
            confirmer = _confirmer(settings)
            stack.push_async_callback(confirmer.close)
            renderers = Renderers(settings)
            stack.push_async_callback(renderers.close)
            app.state.services = Services(
                settings=settings,
                link=link,
                store=store,
                registry=template_registry(settings),
                artifacts=artifact_store or Artifacts(settings.artifacts),
                renderers=renderers,
                egress=egress_of(settings),
                admission=Admission(link, settings.admission_memory),
                confirmer=confirmer,
            )
            if warm:
                await renderers.warm()
            yield

    return lifespan
