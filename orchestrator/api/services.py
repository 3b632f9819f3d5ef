"""What the routes stand on, made once at start."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from orchestrator.artifacts import Artifacts
from orchestrator.config import Settings
from orchestrator.store.store import Policy, Store
from orchestrator.templates import Registry
from workers_sdk.protocol.link import Link


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a route may need."""

    settings: Settings
    link: Link
    store: Store
    registry: Registry
    artifacts: Artifacts


def policy_of(settings: Settings) -> Policy:
    """Times and limits of the engine, from the settings."""
    return Policy(
        lease_ms=settings.lease_ms,
        http_lease_ms=settings.http_lease_ms,
        max_lost=settings.max_attempts,
        retention_ms=settings.retention_s * 1000,
    )


def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


Needs = Annotated[Services, Depends(_services)]
"""Annotation of a route's parameter that takes the services."""
