"""Endpoints of webhooks: who is told what. A part of the store.

Each partition holds all of them, so that a script that ends a scenario knows whether anybody is to be told. Those of the
first partition are right; the others are copies, which `repair` brings back in line after a crash between two writes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.signing import new_secret
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.messages import dumps, loads

from .store import Store

MAX_ENDPOINTS: Final = 100
MAX_SECRETS: Final = 5
"""Of one endpoint at the same time."""
EVENTS: Final = ("scenario.success", "scenario.failed", "scenario.cancelled")
"""Events that an endpoint may ask for."""


class TooManyEndpoints(Exception):
    """There are as many endpoints as there may be."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of an endpoint. `until_ms`: it was replaced, and signs beside the new one until then."""

    text: str = field(repr=False)
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL that is told of events. Empty `events`, `names` or `tenants` mean all.

    `secrets`: the newest first. `reason`: why it was disabled; empty when a person did it, or when it is enabled.
    `revision` counts its changes, from 1.
    """

    id: str
    url: str = field(repr=False)
    secrets: list[Secret]
    events: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)
    description: str = ""
    enabled: bool = True
    reason: str = ""
    created_at: str = ""
    updated_at: str = ""
    revision: int = 0

    def wants(self, event: str, name: str, tenant: str) -> bool:
        """Whether it is to be told of an event of a scenario."""
        names = [_plain(one) for one in self.names]
        asked = ((self.events, event), (names, _plain(name)), (self.tenants, tenant))
        return self.enabled and all(not words or word in words for words, word in asked)

    def keys(self, now_ms: int) -> list[str]:
        """Secrets that sign now, the newest first."""
        return [one.text for one in self.secrets if one.until_ms is None or one.until_ms > now_ms]


Change = Callable[[Endpoint], Endpoint]


class Endpoints:
    """See the module. Every method raises Unavailable and Refused as `Link.execute` does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._home = store.partitions[0]

    async def all(self, at: Partition | None = None) -> list[Endpoint]:
        """All of them, as the first partition or `at` has them, oldest first."""
        found = (_endpoint(value) for value in (await self._values(at or self._home)).values())
        return sorted(found, key=lambda one: (one.created_at, one.id))

    async def get(self, endpoint_id: str) -> Endpoint | None:
        """One of them."""
        value = await self._store.link.execute("HGET", self._home.webhooks, endpoint_id)
        return None if value is None else _endpoint(value)

    async def add(self, endpoint: Endpoint) -> Endpoint:
        """Register a new one. Raises: TooManyEndpoints."""
        now = iso(await self.now_ms())
        new = replace(endpoint, created_at=now, updated_at=now, revision=1)
        if await self._put(self._home, new) == "FULL":
            raise TooManyEndpoints
        await self._copy(new)
        return new

    async def change(self, endpoint_id: str, change: Change) -> Endpoint | None:
        """Change one by a function, which is called again when somebody else was faster. None: there is none.

        A change that changes nothing is not written.
        """
        while (known := await self.get(endpoint_id)) is not None:
            wanted = change(known)
            if wanted == known:
                return known
            new = replace(wanted, updated_at=iso(await self.now_ms()), revision=known.revision + 1)
            if await self._put(self._home, new) == "OK":
                await self._copy(new)
                return new
        return None

    async def rotate(self, endpoint_id: str, secret: str, grace_ms: int) -> Endpoint | None:
        """Give it a new secret (empty: one that nobody knows).

        The one before signs too for `grace_ms`, older ones as long as they were to. Without grace all of them end.
        """
        now_ms = await self.now_ms()
        new = Secret(secret or new_secret())

        def rotated(known: Endpoint) -> Endpoint:
            if known.secrets[0].text == new.text:
                return known
            newest, *others = known.secrets
            older = [one for one in others if one.until_ms and one.until_ms > now_ms]
            before = [replace(newest, until_ms=now_ms + grace_ms), *older] if grace_ms else []
            return replace(known, secrets=[new, *before][:MAX_SECRETS])

        return await self.change(endpoint_id, rotated)

    async def disable(self, endpoint_id: str, reason: str) -> None:
        """Send nothing more to it, until somebody enables it."""
        await self.change(endpoint_id, lambda known: replace(known, enabled=False, reason=reason))

    async def remove(self, endpoint_id: str) -> bool:
        """Forget one, with all that waits for it. Whether there was one."""
        words = [await self._remove(at, endpoint_id) for at in self._store.partitions]
        return words[0] == "REMOVED"

    async def repair(self, at: Partition) -> None:
        """Make the copies of a partition those of the first one."""
        if at == self._home:
            return
        # In this order: an endpoint is written to the first partition first, so what is here and not there was removed.
        here = await self._values(at)
        right = await self._values(self._home)
        for endpoint_id in here.keys() - right.keys():
            await self._remove(at, endpoint_id)
        for endpoint_id, value in right.items():
            if here.get(endpoint_id) != value:
                await self._put(at, _endpoint(value))

    async def exist(self, at: Partition) -> bool:
        """Whether anybody is, or was and may still have to be, told of what happens in a partition."""
        return bool(await self._store.link.execute("EXISTS", at.webhooks, at.outbox))

    async def now_ms(self) -> int:
        """Time of Redis."""
        seconds, micros = await self._store.link.execute("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def _values(self, at: Partition) -> Mapping[str, bytes]:
        return _pairs(await self._store.link.execute("HGETALL", at.webhooks))

    async def _copy(self, endpoint: Endpoint) -> None:
        for at in self._store.partitions:
            if at != self._home:
                await self._put(at, endpoint)

    async def _put(self, at: Partition, endpoint: Endpoint) -> str:
        values = {
            "webhooks": at.webhooks,
            "failing": at.webhooks_failing,
            "endpoint_id": endpoint.id,
            "revision": endpoint.revision,
            "copy": int(at != self._home),
            # A removed one may stand in a copy for a moment.
            "limit": MAX_ENDPOINTS if at == self._home else 2 * MAX_ENDPOINTS,
            "value": dumps(endpoint),
        }
        return str((await self._store.call("webhook_put", values)).decode())

    async def _remove(self, at: Partition, endpoint_id: str) -> str:
        values = {
            "webhooks": at.webhooks,
            "failing": at.webhooks_failing,
            "deliveries": at.deliveries(endpoint_id),
            "waiting": at.waiting_deliveries(endpoint_id),
            "endpoint_id": endpoint_id,
        }
        return str((await self._store.call("webhook_remove", values)).decode())


def _plain(name: str) -> str:
    """Name of a template without the prefix that may be left out."""
    return name.removeprefix("Scenario") or name


def iso(ms: int) -> str:
    """Milliseconds since the Unix epoch as the scripts write them: 2025-06-26T10:34:12.349Z."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _endpoint(value: bytes) -> Endpoint:
    """An endpoint from what webhook_put.lua wrote: revision, space, JSON. Fields of a newer version are left out."""
    facts: dict[str, Any] = loads(value.partition(b" ")[2])
    secrets = [Secret(one["text"], one["until_ms"]) for one in facts.pop("secrets")]
    known = {name: facts[name] for name in Endpoint.__slots__ if name in facts}
    return Endpoint(secrets=secrets, **known)


def _pairs(flat: Sequence[bytes]) -> dict[str, bytes]:
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}
