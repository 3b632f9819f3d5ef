"""People who cannot leave well alone: they pause, cancel, retry, rerun, redrive, and turn limits up and down."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

from .client import Client
from .users import Known, Users
from .worker import SERVICES

Json = Any

EVENTS: Final = ("pay", "pay", "cancel", "again", "return", "resend")
LIMITED: Final = ("chaos-thread", "chaos-process")
"""Services whose limits change; those of the others are checked."""
LATEST: Final = 80


class Meddlers:
    """See the module."""

    def __init__(self, users: Users, client: Client, chance: random.Random) -> None:
        self._users, self._client, self._chance = users, client, chance
        self._paused: list[Known] = []
        self._of_one: list[Callable[[Known], Awaitable[None]]] = [
            *(self.cancel, self.cancel_task, self.pause, self.retry, self.rerun, self.redrive),
            *(self.event, self.event, self.event),
        ]
        self._of_all = [
            self.resume,
            self.resume,
            self.pause_service,
            self.pause_all,
            self.limit,
            self.cancel_batch,
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Do one thing after the other."""
        while not stop.is_set():
            known = [one for one in list(self._users.known.values())[-LATEST:] if not one.gone]
            if known:
                await self._chance.choice(self._of_one)(self._chance.choice(known))
            if self._chance.random() < 0.15:
                await self._chance.choice(self._of_all)()
            await asyncio.sleep(self._chance.uniform(0, 0.3))

    async def let_go(self) -> None:
        """Resume everything."""
        while self._paused:
            await self.resume()
        for path in ("/resume", *(f"/services/{service}/resume" for service in SERVICES)):
            await self._client.ask("POST", path, json={})

    async def cancel(self, one: Known) -> None:
        """A scenario."""
        if self._chance.random() < 0.4:
            one.touch("cancelled")
            await self._do("POST", f"/scenarios/{one.id}/cancel", {"reason": "chaos"})

    async def cancel_task(self, one: Known) -> None:
        """One of its tasks."""
        if one.last and one.last["tasks"] and self._chance.random() < 0.3:
            one.touch("cancelled")
            task = self._chance.choice(one.last["tasks"])
            await self._do("POST", f"/tasks/{task['id']}/cancel", {"reason": "chaos"})

    async def cancel_batch(self) -> None:
        """All of it."""
        if self._users.batches and self._chance.random() < 0.3:
            batch_id, known = self._chance.choice(self._users.batches[-5:])
            for one in known:
                one.touch("cancelled")
            await self._do("POST", f"/batches/{batch_id}/cancel", {"reason": "chaos"})

    async def pause(self, one: Known) -> None:
        """A scenario, until somebody resumes it."""
        self._paused.append(one)
        await self._do("POST", f"/scenarios/{one.id}/pause", {"reason": "chaos"})

    async def resume(self) -> None:
        """The scenario that was paused first."""
        if self._paused:
            await self._do("POST", f"/scenarios/{self._paused.pop(0).id}/resume", {})

    async def pause_service(self) -> None:
        """For a moment."""
        service = self._chance.choice(SERVICES)
        await self._do("POST", f"/services/{service}/pause", {"reason": "chaos"})
        await asyncio.sleep(self._chance.uniform(0, 1.5))
        await self._do("POST", f"/services/{service}/resume", {})

    async def pause_all(self) -> None:
        """For a moment."""
        await self._do("POST", "/pause", {"reason": "chaos"})
        await asyncio.sleep(self._chance.uniform(0, 0.5))
        await self._do("POST", "/resume", {})

    async def limit(self) -> None:
        """Other limits for a service, or none."""
        path = f"/services/{self._chance.choice(LIMITED)}"
        if self._chance.random() < 0.5:
            limits = {"concurrency": self._chance.randint(2, 8), "rate": {"count": 40, "per_ms": 1000}}
            await self._do("PUT", path, limits)
        else:
            await self._do("DELETE", path)

    async def retry(self, one: Known) -> None:
        """What failed or was cancelled of a scenario."""
        if one.is_over and one.last["status"] != "success":
            one.touch("revived")
            await self._do("POST", f"/scenarios/{one.id}/retry", {})
            await self._users.see(one)

    async def redrive(self, one: Known) -> None:
        """A dead letter, mended."""
        dead = [task for task in one.last["tasks"] if task["fingerprint"]] if one.last else []
        for task in dead[:1]:
            one.touch("revived")
            params = {**(task["params"] or {}), "bad": False, "flaky": 0}
            await self._do("PATCH", f"/dead-letters/tasks/{task['id']}", {"params": params})
            await self._do("POST", f"/dead-letters/tasks/{task['id']}/redrive", {})
            await self._users.see(one)

    async def rerun(self, one: Known) -> None:
        """A new scenario, from one of the tasks on."""
        if one.is_over and one.last["tasks"] and self._chance.random() < 0.3:
            start = self._chance.choice(one.last["tasks"])["id"]
            headers = {"Idempotency-Key": f"rerun-{start}"}
            answer = await self._do("POST", f"/scenarios/{one.id}/rerun", {"from": start}, headers=headers)
            if "scenario_id" in answer and "code" not in answer:
                self._users.note(answer["scenario_id"], one.name).touch("rerun")

    async def event(self, _one: Known) -> None:
        """To a scenario with states."""
        if orders := [one for one in self._users.known.values() if one.name == "Order" and one.is_left]:
            await self._users.send(self._chance.choice(orders), self._chance.choice(EVENTS))

    async def _do(self, method: str, path: str, body: Json = None, **options: Any) -> Json:
        code, answer = await self._client.ask(method, path, json=body, **options)
        if code not in (0, 200, 201, 202, 204, 404, 409):
            self._users.wrong.append(f"{method} {path}: {code} {answer}")
        return answer
