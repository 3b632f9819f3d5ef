"""Deliveries of webhooks: what was sent, what became of it, and sending it anew."""

import secrets
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Response

from orchestrator.store.deliveries import Deliveries, DeliveryRecord, Event
from orchestrator.store.endpoints import Endpoints, iso
from workers_sdk.protocol.keys import is_id, scenario_id_from

from .answers import json_response
from .body import JsonRoute
from .documented import BODY, problems
from .problems import Problem, not_found
from .services import Needs, Services
from .webhook_models import DeliveriesOut, DeliveryOut, DeliveryStatus, RedriveIn, RedrivenOut
from .webhooks import EndpointId, existing_endpoint

router = APIRouter(prefix="/webhooks/{endpoint_id}", tags=["webhooks"], route_class=JsonRoute)

TEST_EVENT: Final = "webhook.test"
PAGES: Final = 20
"""Pages of deliveries that one call may look at to redrive them."""
_PAGE: Final = 100

Json = Any


@router.post(
    "/test",
    status_code=202,
    operation_id="test_webhook",
    summary="Send a test message",
    response_model=DeliveryOut,
    responses=problems("not_found", "webhook_disabled", "webhook_full"),
)
async def test_webhook(endpoint_id: EndpointId, needs: Needs) -> Response:
    """Send a message of the type `webhook.test`, as any other is sent; look at the delivery for what became of it."""
    await _enabled(endpoint_id, needs)
    event_id = scenario_id_from(secrets.token_bytes(16))
    now = iso(await Endpoints(needs.store).now_ms())
    body = orjson.dumps({"type": TEST_EVENT, "timestamp": now, "data": {"endpoint_id": endpoint_id}})
    event = Event(TEST_EVENT, event_id, body)
    at = needs.store.partitions.of(event_id)
    made = await Deliveries(needs.store).announce(at, event, [endpoint_id])
    if endpoint_id not in made:
        raise Problem("webhook_full", "As many messages wait for the endpoint as there may be.")
    return json_response(_whole(await _existing(endpoint_id, made[endpoint_id], needs)), 202)


@router.post(
    "/redrive",
    operation_id="redrive_webhook",
    summary="Send anew all that failed",
    response_model=RedrivenOut,
    responses=problems(*BODY, "not_found", "webhook_disabled", "invalid_cursor"),
)
async def redrive_webhook(endpoint_id: EndpointId, body: RedriveIn, needs: Needs) -> Response:
    """Begin anew with each delivery that was given up, or that waits for its next attempt; newest first."""
    await _enabled(endpoint_id, needs)
    deliveries = Deliveries(needs.store)
    cursor, redriven = body.cursor, 0
    for _ in range(PAGES):
        page = await deliveries.page(endpoint_id, cursor=cursor, limit=_PAGE)
        ids = [one.id for one in page.items if one.status == "failed" or _waits_again(one)]
        words = await deliveries.redrive(endpoint_id, ids)
        redriven += words.count("OK")
        cursor = page.next_cursor
        if cursor is None:
            break
    return json_response({"redriven": redriven, "next_cursor": cursor})


@router.get(
    "/deliveries",
    operation_id="list_deliveries",
    summary="List what was sent to an endpoint",
    response_model=DeliveriesOut,
    responses=problems("not_found", "invalid_field", "invalid_cursor"),
)
async def list_deliveries(
    endpoint_id: EndpointId,
    needs: Needs,
    status: Annotated[DeliveryStatus | None, Query(description="Only those in this status.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most deliveries on the page.")] = 50,
    cursor: Annotated[
        str | None, Query(min_length=1, max_length=200, description="`next_cursor` of the page before.")
    ] = None,
) -> Response:
    """Give one page of its deliveries with their attempts, newest first."""
    await existing_endpoint(endpoint_id, needs)
    page = await Deliveries(needs.store).page(endpoint_id, status=status, cursor=cursor, limit=limit)
    return json_response({"items": [_item(one) for one in page.items], "next_cursor": page.next_cursor})


@router.get(
    "/deliveries/{delivery_id}",
    operation_id="get_delivery",
    summary="Look at a delivery",
    response_model=DeliveryOut,
    responses=problems("not_found"),
)
async def get_delivery(endpoint_id: EndpointId, delivery_id: str, needs: Needs) -> Response:
    """Give the message, and how its attempts went."""
    return json_response(_whole(await _existing(endpoint_id, delivery_id, needs)))


@router.post(
    "/deliveries/{delivery_id}/redrive",
    operation_id="redrive_delivery",
    summary="Send a delivery anew",
    response_model=DeliveryOut,
    responses=problems("not_found", "webhook_disabled", "delivery_held"),
)
async def redrive_delivery(endpoint_id: EndpointId, delivery_id: str, needs: Needs) -> Response:
    """Send it now, whatever became of it, and begin anew with the pauses between attempts. Its `webhook-id` stays."""
    await _enabled(endpoint_id, needs)
    await _existing(endpoint_id, delivery_id, needs)
    [word] = await Deliveries(needs.store).redrive(endpoint_id, [delivery_id])
    if word == "HELD":
        raise Problem("delivery_held", "An attempt of this delivery is under way.")
    return json_response(_whole(await _existing(endpoint_id, delivery_id, needs)))


async def _enabled(endpoint_id: str, needs: Services) -> None:
    endpoint = await existing_endpoint(endpoint_id, needs)
    if not endpoint.enabled:
        raise Problem("webhook_disabled", endpoint.reason or "The endpoint is disabled.")


async def _existing(endpoint_id: str, delivery_id: str, needs: Services) -> DeliveryRecord:
    found = await Deliveries(needs.store).get(delivery_id) if is_id(delivery_id) else None
    if found is None or found.endpoint_id != endpoint_id:
        raise not_found()
    return found


def _waits_again(one: DeliveryRecord) -> bool:
    return one.status == "pending" and one.attempts > 0


def _item(one: DeliveryRecord) -> dict[str, Json]:
    shown = ("id", "endpoint_id", "type", "status", "attempts", "created_at", "updated_at", "history")
    return {
        **{name: getattr(one, name) for name in shown},
        "scenario_id": one.scenario_id or None,
        "finished_at": one.finished_at or None,
        "links": {"self": f"/webhooks/{one.endpoint_id}/deliveries/{one.id}"},
    }


def _whole(one: DeliveryRecord) -> dict[str, Json]:
    return {**_item(one), "payload": one.payload}
