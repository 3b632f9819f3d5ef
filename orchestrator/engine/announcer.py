"""Turns what the scripts put into the outbox into deliveries of webhooks."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from orchestrator.store.deliveries import Deliveries, Event
from orchestrator.store.endpoints import Endpoint, Endpoints
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, Partition, is_id, short_uuid
from workers_sdk.protocol.link import Refused
from workers_sdk.protocol.messages import Malformed, dumps, fields_of

from .loop import Seams, pause
from .notice import notice
from .reader import Entry, Reader

BATCH: Final = 64
NOBODY_WAIT_S: Final = 1.0
"""How long it waits until it looks again whether there is anybody to be told."""


class Announcer:
    """Reads the outbox of one partition. An entry goes in the script that makes its deliveries.

    Args:
        told: called when there are new deliveries.
    """

    name = "announcer"

    def __init__(
        self,
        store: Store,
        seams: Seams,
        at: Partition,
        consumer: str,
        stop: asyncio.Event,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._endpoints = Endpoints(store)
        self._deliveries = Deliveries(store)
        self._seams = seams
        self._at = at
        self._stop = stop
        self._told = told
        self._reader = Reader(seams, at.outbox, consumer, stale_ms=store.policy.lease_ms)
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`."""
        if not await self._endpoints.exist(self._at):
            await pause(self._stop, self._seams.clock, NOBODY_WAIT_S)
            return
        entries = await self._reader.read(BATCH)
        endpoints = await self._endpoints.all(self._at) if entries else []
        for entry in entries:
            await self._announce_or_leave(entry, endpoints)
        self._reader.done()
        if entries:
            self._told()

    async def _announce_or_leave(self, entry: Entry, endpoints: Sequence[Endpoint]) -> None:
        """A refusal must not stop the other entries: its entry stays pending and is tried again later."""
        try:
            await self._announce(entry, endpoints)
        except Malformed as error:
            self._log.error("event_malformed", entry_id=entry.entry_id, reason=str(error))
            await self._store.quarantine(
                self._at, self._at.outbox, GROUP_ORCHESTRATOR, entry.entry_id, str(error)
            )
        except Refused as error:
            self._log.error("event_not_announced", entry_id=entry.entry_id, error=str(error))

    async def _announce(self, entry: Entry, endpoints: Sequence[Endpoint]) -> None:
        said = {name: value.decode(errors="replace") for name, value in fields_of(entry.flat).items()}
        scenario_id, kind = said.get("scenario_id", ""), said.get("type", "")
        if not is_id(scenario_id) or not kind:
            raise Malformed("an event of the outbox names its type and its scenario")
        name, tenant = said.get("name", ""), said.get("tenant", "")
        wanting = [one.id for one in endpoints if one.wants(kind, name, tenant)]
        body = dumps(await notice(self._store, said)) if wanting else b"{}"
        event = Event(kind, short_uuid(scenario_id, entry.entry_id), body, scenario_id, entry.entry_id)
        made = await self._deliveries.announce(self._at, event, wanting)
        for endpoint_id in set(wanting) - made.keys():
            self._log.warning("webhook_dropped", endpoint_id=endpoint_id, scenario_id=scenario_id)
