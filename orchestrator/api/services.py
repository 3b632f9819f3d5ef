"""What the routes stand on, made once at start."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from orchestrator.artifacts import Artifacts
from orchestrator.config import Settings
from orchestrator.egress import Egress
from orchestrator.store.admission import Admission
from orchestrator.store.durability import Confirmer
from orchestrator.store.store import Store
from orchestrator.templates import Registry
from workers_sdk.protocol.link import Link

from .renderers import Renderers


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a route may need."""

    settings: Settings
    link: Link
    store: Store
    registry: Registry
    artifacts: Artifacts
    renderers: Renderers
    egress: Egress
    admission: Admission
    confirmer: Confirmer


async def _services(request: Request) -> Services:
    # Not a plain function: FastAPI would call that in a thread.
    return cast(Services, request.app.state.services)


Needs = Annotated[Services, Depends(_services)]
"""Annotation of a route's parameter that takes the services."""
