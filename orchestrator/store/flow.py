"""Flow control: limits and pauses of services, pauses of scenarios, and tasks that wait in lanes; see docs/flow.md."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from workers_sdk.protocol.keys import GROUP_WORKERS, Partition
from workers_sdk.protocol.link import Command
from workers_sdk.protocol.messages import dumps

from .flow_records import (
    Limits,
    Pause,
    ServiceState,
    facts_of,
    limits_of,
    pause_of,
    share_of,
)
from .store import Store

ALL: Final = "*"
"""Stands for all services."""
MOST_TENANTS: Final = 100
"""Whose lanes are counted one by one."""


class Flow:
    """Part of a store. All methods may be repeated. Raises of all: Unavailable, Refused."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- services ----------------------------------------------------------------------------------------------------

    async def limit(self, service: str, limits: Limits) -> None:
        """Set the limits of a service. What has not begun is taken back and comes under them too.

        Raises:
            TooSmallToShare: there are more partitions than `concurrency`.
        """
        count = self._store.partitions.count
        shares = [share_of(limits, index, count) for index in range(count)]
        for at in self._store.partitions:
            facts = {**facts_of(shares[at.index]), "whole": facts_of(limits)}
            await self._set(at, service, "settings", facts)
            await self._take_back(at, service)
            await self.fill(at, service)

    async def forget(self, service: str) -> None:
        """Manage a service no longer; what waits is handed out."""
        await self._set_everywhere(service, "settings", None)

    async def pause(self, service: str, pause: Pause) -> None:
        """Let nothing of a service (`ALL`: of any) begin any more; what runs goes on."""
        await self._set_everywhere(service, "pause", {"reason": pause.reason, "by": pause.by})

    async def resume(self, service: str) -> None:
        """End the pause of a service, or the one of all services."""
        await self._set_everywhere(service, "pause", None)

    async def pause_of_all(self) -> Pause | None:
        """The pause of all services, if there is one."""
        return pause_of(await self._store.link.execute("HGET", self._store.partitions[0].flow, ALL))

    async def services(self) -> list[str]:
        """Names of all services that got a task, or limits, or a pause."""
        places = self._store.partitions
        commands = [command for at in places for command in (("HKEYS", at.flow), ("SMEMBERS", at.services))]
        replies = await self._store.link.execute_many(commands)
        managed = {name.decode().removesuffix(":paused") for names in replies[::2] for name in names}
        worked = {name.decode(errors="replace") for names in replies[1::2] for name in names}
        return sorted((managed - {ALL}) | worked)

    async def state(self, service: str) -> ServiceState:
        """State of a service now, of all partitions together."""
        return (await self.states([service]))[0]

    async def states(self, services: Sequence[str]) -> list[ServiceState]:
        """The same of several, in the order asked. Two round trips, however many they are."""
        parts = [(at, service) for at in self._store.partitions for service in services]
        names = [name for service in services for name in (service, f"{service}:paused")]
        commands: list[Command] = [("HMGET", self._store.partitions[0].flow, ALL, *names)]
        for at, service in parts:
            commands.append(("ZRANGE", at.lanes(service), 0, MOST_TENANTS - 1))
            commands += [("SCARD", at.slots(service)), ("XLEN", at.queue(service))]
        (of_all, *told), *found = await self._store.link.execute_many(commands)
        out, queued = Counter[str](), Counter[str]()
        lanes: list[tuple[Partition, str, str]] = []
        for (at, service), tenants, taken, length in zip(
            parts, found[::3], found[1::3], found[2::3], strict=True
        ):
            out[service] += taken
            queued[service] += length
            lanes += [(at, service, tenant.decode()) for tenant in tenants]
        waiting = await self._waiting(lanes)
        return [
            ServiceState(
                service,
                limits_of(limits),
                pause_of(paused or of_all),
                dict(waiting.get(service, {})),
                out[service],
                queued[service],
            )
            for service, limits, paused in zip(services, told[::2], told[1::2], strict=True)
        ]

    async def _waiting(self, lanes: Sequence[tuple[Partition, str, str]]) -> dict[str, Counter[str]]:
        """How many tasks wait, by service and tenant; lanes that are empty are left out."""
        commands = [("ZCARD", at.lane(service, tenant)) for at, service, tenant in lanes]
        waiting: dict[str, Counter[str]] = {}
        for (_, service, tenant), n in zip(lanes, await self._store.link.execute_many(commands), strict=True):
            if n:
                waiting.setdefault(service, Counter())[tenant] += n
        return waiting

    # --- scenarios ---------------------------------------------------------------------------------------------------

    async def pause_scenario(self, scenario_id: str, pause: Pause | None = None) -> str:
        """Pause a chunk of a scenario: a word of `pause_scenario.lua`; MORE: call again. Without a pause it goes on with
        what began."""
        at = self._store.partitions.of(scenario_id)
        facts = dumps({"reason": pause.reason, "by": pause.by}) if pause else b""
        return await self._word(
            "pause_scenario",
            scenario=at.scenario(scenario_id),
            timers=at.timers,
            prefix=at.prefix,
            workers=GROUP_WORKERS,
            scenario_id=scenario_id,
            facts=facts,
        )

    async def resume_scenario(self, scenario_id: str, *, begin: bool) -> str:
        """Hand out a chunk of what a paused scenario holds: a word of `resume_scenario.lua`; MORE: call again.

        Args:
            begin: end the pause; else it goes on with what began, unless the scenario was paused again.
        """
        at = self._store.partitions.of(scenario_id)
        return await self._word(
            "resume_scenario",
            scenario=at.scenario(scenario_id),
            timers=at.timers,
            held=at.held(scenario_id),
            prefix=at.prefix,
            scenario_id=scenario_id,
            begin=int(begin),
            nonce=self._store.nonce(),
        )

    # --- lanes -------------------------------------------------------------------------------------------------------

    async def fill(self, at: Partition, service: str) -> None:
        """Move what may be handed out from the lanes of a service to its stream; take it back when it is paused."""
        word = "MORE"
        while word == "MORE":
            word = await self._fill(at, service)
        if word == "PAUSED":
            await self._take_back(at, service)

    async def unpark(self, at: Partition, service: str, key: str) -> None:
        """Let tasks that wait for a key go back to their lanes, as many as its limits allow."""
        values = {"timers": at.timers, "parked": at.parked(service, key), "prefix": at.prefix}
        while await self._word("unpark", **values, service=service, key=key) == "MORE":
            continue

    async def _fill(self, at: Partition, service: str) -> str:
        answer = await self._store.call(
            "fill",
            {
                "timers": at.timers,
                "queue": at.queue(service),
                "prefix": at.prefix,
                "service": service,
                "workers": GROUP_WORKERS,
                "nonce": self._store.nonce(),
                "limit": self._store.policy.chunk,
            },
        )
        return str(answer[0].decode())

    async def _take_back(self, at: Partition, service: str) -> None:
        values = {"queue": at.queue(service), "prefix": at.prefix, "service": service}
        while await self._word("take_back", **values, workers=GROUP_WORKERS) == "MORE":
            continue

    async def _set_everywhere(self, subject: str, what: str, facts: dict[str, Any] | None) -> None:
        for at in self._store.partitions:
            await self._set(at, subject, what, facts)
            for service in await self._store.services(at) if subject == ALL else [subject]:
                await self.fill(at, service)

    async def _set(self, at: Partition, subject: str, what: str, facts: dict[str, Any] | None) -> None:
        values = {"flow": at.flow, "timers": at.timers, "services": at.services}
        text = b"" if facts is None else dumps(facts)
        await self._store.call("set_flow", {**values, "subject": subject, "what": what, "facts": text})

    async def _word(self, script: str, **values: Any) -> str:
        answer = await self._store.call(script, {**values, "limit": self._store.policy.chunk})
        return str(answer.decode())


def parted(timers: Sequence[bytes]) -> list[tuple[str, str]]:
    """Timers of flow as (kind, subject), those of keys first: what they let go waits in a lane next."""
    return sorted((_pair(timer) for timer in timers), reverse=True)


def _pair(timer: bytes) -> tuple[str, str]:
    kind, _, subject = timer.decode(errors="replace").partition(":")
    return kind, subject
