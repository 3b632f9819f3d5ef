"""A run: start, work and faults, calm, checks."""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.receiver import Receiver, receiving
from tests.support.wait import wait_until
from workers_sdk.protocol.link import Link

from . import aftermath, checks, logs
from .client import Client
from .faults import Faults
from .meddlers import Meddlers
from .system import ROLES, System
from .users import Users

Json = Any


@dataclass(frozen=True)
class Plan:
    """What kind of run. `only`: faults; `names`: templates; `fsck`: all the time, `check` or `repair`; `calm_s`: within
    which all must have ended when nothing happens any more."""

    seed: int
    seconds: float
    only: Sequence[str] = ()
    names: Sequence[str] = ()
    submitters: int = 1
    fsck: str = ""
    until_all_is_gone: bool = True
    calm_s: float = 180


class Run:
    """See the module. `summary`: for people."""

    def __init__(self, system: System, plan: Plan, client: Client, receiver: Receiver) -> None:
        self._system, self._plan, self._client, self._receiver = system, plan, client, receiver
        self._users = Users(system, client, random.Random(plan.seed), plan.names)
        self._meddlers = Meddlers(self._users, client, random.Random(plan.seed + 1))
        self.summary: list[str] = []

    async def whole(self) -> list[str]:
        """All of it. Returns what is wrong."""
        await wait_until(self._is_up, what="the API answers", timeout_s=120, every_s=0.2)
        await self._client.ask("PUT", "/services/chaos-limited", json={"concurrency": 3})
        await self._client.ask("POST", "/webhooks", json={"url": self._receiver.url})
        await self._users.make_schedules()
        await self._work()
        self._system.say("calm")
        await self._calm_down()
        link = self._system.link()
        try:
            return await self._checked(link)
        finally:
            await link.close()

    async def _is_up(self) -> bool:
        return (await self._client.once("GET", "/readyz"))[0] == 200

    async def _work(self) -> None:
        plan, stop = self._plan, asyncio.Event()
        faults = Faults(self._system, random.Random(plan.seed + 2), plan.only)
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.submitters):
                group.create_task(self._users.submit(stop))
            for job in (self._users.vote, self._users.watch, self._meddlers.run, self._refuse, faults.run):
                group.create_task(job(stop))
            if plan.fsck:
                group.create_task(aftermath.fsck_meanwhile(self._system, plan.fsck, stop))
            await asyncio.sleep(plan.seconds)
            stop.set()

    async def _refuse(self, stop: asyncio.Event) -> None:
        """The receiver of webhooks is not always well."""
        chance = random.Random(self._plan.seed + 3)
        while not stop.is_set():
            self._receiver.answers[:] = [500] if chance.random() < 0.3 else []
            await asyncio.sleep(1)
        self._receiver.answers.clear()

    async def _calm_down(self) -> None:
        """Let all come to its end; what waits for somebody gets what it waits for."""
        for schedule_id in self._users.schedules.values():
            await self._client.ask("POST", f"/schedules/{schedule_id}/pause", json={})
        await self._meddlers.let_go()
        deadline = time.monotonic() + self._plan.calm_s
        while (left := await self._users.look()) and time.monotonic() < deadline:
            self._system.look()
            await self._users.vote_once()
            for one in left:
                if one.last and one.last["state"] == "new":
                    await self._users.send(one, "cancel")
            await asyncio.sleep(0.5)
        for one in left:
            _, why = await self._client.ask("GET", f"/scenarios/{one.id}/why")
            text = (
                f"{one.name} {one.id}, touched {sorted(one.touched)}, does not end: {json.dumps(why)[:2000]}"
            )
            self._system.wrong.append(text)

    async def _checked(self, link: Link) -> list[str]:
        system, users, client = self._system, self._users, self._client
        wrong = await aftermath.nothing_waits(system, link)
        wrong += await aftermath.nobody_waits_for_webhooks(system, client, link)
        wrong += await aftermath.schedules_are_well(system, users, client)
        wrong += await aftermath.fsck(system)
        wrong += await aftermath.few_connections(system, link)
        wrong += self._remembered()
        if self._plan.until_all_is_gone:
            wrong += await aftermath.nothing_is_left(system, users, client, link)
        system.look()
        bad, kinds = logs.read(system.folder / "logs")
        self.summary += [f"{count:6} {kind}" for kind, count in sorted(kinds.items())]
        return [*system.wrong, *client.strange, *wrong, *bad]

    def _remembered(self) -> list[str]:
        """The checks of what was seen meanwhile."""
        lines = checks.journal(self._system.journal)
        whole = checks.whole_attempts(lines)
        known = list(self._users.known.values())
        messages: dict[str, list[Json]] = defaultdict(list)
        for request in self._receiver.requests:
            messages[request.message["data"]["scenario_id"]].append(request.message)
        ends = Counter(f"{one.name} {one.last['status'] if one.is_over else 'not seen'}" for one in known)
        self.summary += [f"{count:6} {end}" for end, count in sorted(ends.items())]
        return [
            *checks.ended(known),
            *checks.counted(known),
            *checks.came_from(known, whole),
            *checks.in_order(known),
            *checks.within_limits(known, whole),
            *checks.fired(lines, refused=self._system.was_full),
            *checks.told(self._users, messages),
            *checks.decided(self._users),
        ]


@asynccontextmanager
async def started(system: System, plan: Plan) -> AsyncIterator[Run]:
    """Everything runs within the block."""
    system.server.start()
    try:
        for name in ROLES:
            system.start(name)
        async with receiving() as receiver, aclosing(Client(system.url)) as client:
            yield Run(system, plan, client, receiver)
    finally:
        system.stop()
