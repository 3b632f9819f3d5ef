"""Endpoints of webhooks: who is told of what."""

import asyncio
import secrets
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response

from orchestrator.egress import NotAllowed
from orchestrator.signing import BadSecret, key_of, new_secret
from orchestrator.store.endpoint_standing import Standing, standings
from orchestrator.store.endpoints import Endpoint, Endpoints, Secret, TooManyEndpoints, iso
from workers_sdk.protocol.keys import is_id, scenario_id_from

from .answers import json_response
from .body import JsonRoute
from .documented import BODY, problems
from .problems import FieldError, Problem, not_found
from .services import Needs, Services
from .webhook_models import (
    RemovedOut,
    RotateIn,
    WebhookIn,
    WebhookOut,
    WebhookPatch,
    WebhookSecretOut,
    WebhooksOut,
)

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=JsonRoute)

LOOK_UP_S: Final = 5.0

Json = Any
EndpointId = Annotated[str, Path(description="16 characters.")]


@router.post(
    "",
    status_code=201,
    operation_id="add_webhook",
    summary="Register an endpoint",
    response_model=WebhookSecretOut,
    responses=problems(*BODY, "too_many_webhooks"),
)
async def add_webhook(body: WebhookIn, needs: Needs) -> Response:
    """Have a URL told of events from now on. The answer shows the secret, once: it verifies the signatures."""
    await _check_url(body.url, needs)
    new = Endpoint(
        id=scenario_id_from(secrets.token_bytes(16)),
        url=body.url,
        secrets=[Secret(_given(body.secret) or new_secret())],
        events=list(body.events),
        names=body.names,
        tenants=body.tenants,
        description=body.description,
    )
    try:
        added = await Endpoints(needs.store).add(new)
    except TooManyEndpoints:
        raise Problem("too_many_webhooks", "There are as many endpoints as there may be.") from None
    return json_response(_with_secret(added, Standing()), 201, {"Location": f"/webhooks/{added.id}"})


@router.get(
    "",
    operation_id="list_webhooks",
    summary="List the endpoints",
    response_model=WebhooksOut,
    responses=problems(),
)
async def list_webhooks(needs: Needs) -> Response:
    """Give all of them, without their secrets."""
    endpoints = await Endpoints(needs.store).all()
    found = await standings(needs.store, [one.id for one in endpoints])
    return json_response({"items": [_view(one, found[one.id]) for one in endpoints]})


@router.get(
    "/{endpoint_id}",
    operation_id="get_webhook",
    summary="Look at an endpoint",
    response_model=WebhookOut,
    responses=problems("not_found"),
)
async def get_webhook(endpoint_id: EndpointId, needs: Needs) -> Response:
    """Give what it is told of, and whether it takes it."""
    return await _shown(await existing_endpoint(endpoint_id, needs), needs)


@router.patch(
    "/{endpoint_id}",
    operation_id="change_webhook",
    summary="Change, disable or enable an endpoint",
    response_model=WebhookOut,
    responses=problems(*BODY, "not_found"),
)
async def change_webhook(endpoint_id: EndpointId, body: WebhookPatch, needs: Needs) -> Response:
    """Change what is given. While it is disabled nothing new is made for it; what waits goes on when it is enabled."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    if "url" in changes:
        await _check_url(body.url, needs)
    if "enabled" in changes:
        changes["reason"] = ""
    changed = None
    if is_id(endpoint_id):
        changed = await Endpoints(needs.store).change(endpoint_id, lambda known: replace(known, **changes))
    if changed is None:
        raise not_found()
    return await _shown(changed, needs)


@router.delete(
    "/{endpoint_id}",
    operation_id="remove_webhook",
    summary="Remove an endpoint",
    response_model=RemovedOut,
    responses=problems("not_found"),
)
async def remove_webhook(endpoint_id: EndpointId, needs: Needs) -> Response:
    """Forget it, with all that waits to be sent to it."""
    if not is_id(endpoint_id) or not await Endpoints(needs.store).remove(endpoint_id):
        raise not_found()
    return json_response({"id": endpoint_id, "removed": True})


@router.post(
    "/{endpoint_id}/rotate",
    operation_id="rotate_webhook_secret",
    summary="Give an endpoint a new secret",
    response_model=WebhookSecretOut,
    responses=problems(*BODY, "not_found"),
)
async def rotate_webhook_secret(endpoint_id: EndpointId, body: RotateIn, needs: Needs) -> Response:
    """Sign with a new secret, shown once, and for a while with the one before too: the receiver changes over in between."""
    secret = _given(body.secret)
    changed = None
    if is_id(endpoint_id):
        changed = await Endpoints(needs.store).rotate(endpoint_id, secret, 1_000 * body.grace_s)
    if changed is None:
        raise not_found()
    found = await standings(needs.store, [endpoint_id])
    return json_response(_with_secret(changed, found[endpoint_id]))


async def existing_endpoint(endpoint_id: str, needs: Services) -> Endpoint:
    """An endpoint by the id of an address. Raises Problem (404)."""
    found = await Endpoints(needs.store).get(endpoint_id) if is_id(endpoint_id) else None
    if found is None:
        raise not_found()
    return found


async def _check_url(url: str, needs: Services) -> None:
    try:
        async with asyncio.timeout(LOOK_UP_S):
            await needs.egress.addresses(needs.egress.check(url))
    except NotAllowed as refusal:
        raise _invalid("/url", str(refusal)) from None
    except TimeoutError:
        raise _invalid("/url", "The host of the URL could not be looked up in time.") from None


def _given(secret: str | None) -> str:
    """A secret of the request, empty when there is none. Raises Problem (422)."""
    try:
        key_of(secret) if secret is not None else b""
    except BadSecret as error:
        raise _invalid("/secret", str(error)) from None
    return secret or ""


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem("invalid_field", detail, errors=[FieldError(pointer=pointer, detail=detail)])


async def _shown(endpoint: Endpoint, needs: Services) -> Response:
    found = await standings(needs.store, [endpoint.id])
    return json_response(_view(endpoint, found[endpoint.id]))


def _view(endpoint: Endpoint, standing: Standing) -> dict[str, Json]:
    shown = ("id", "url", "events", "names", "tenants", "description", "enabled", "created_at", "updated_at")
    return {
        **{name: getattr(endpoint, name) for name in shown},
        "reason": endpoint.reason or None,
        "failing_since": iso(standing.failing_ms) if standing.failing_ms else None,
        "waiting": standing.waiting,
        "dropped": standing.dropped,
        "dropped_at": iso(standing.dropped_ms) if standing.dropped_ms else None,
        "links": {"self": f"/webhooks/{endpoint.id}"},
    }


def _with_secret(endpoint: Endpoint, standing: Standing) -> dict[str, Json]:
    newest, *before = endpoint.secrets
    until_ms = before[0].until_ms if before else None
    return {
        **_view(endpoint, standing),
        "secret": newest.text,
        "previous_until": None if until_ms is None else iso(until_ms),
    }
