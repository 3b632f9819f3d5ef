"""What users do: they submit, look, vote and send events. What they know of it is what the checks go by."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .client import Client
from .system import System

Json = Any

FINAL: Final = ("success", "failed", "cancelled")
NAMES: Final = (
    *("Mix", "Mix", "Flow", "Flow", "Order", "Order", "Series", "Series", "Batch", "Wide"),
    *("Trip", "Vote", "Later", "Dead", "Long"),
)
TENANTS: Final = (None, None, None, "acme", "initech")


@dataclass
class Known:
    """What is known of a scenario.

    Attributes:
        touched: what somebody did to it. last: how it was seen last, with all its tasks.
        above: the scenario that it is a part of. sent: answer to each of its events.
        gone: it is not there any more.
    """

    id: str
    name: str
    touched: set[str] = field(default_factory=set)
    last: Json = None
    above: "Known | None" = None
    sent: dict[str, Json] = field(default_factory=dict)
    gone: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it had ended when it was seen last."""
        return bool(self.last) and self.last["status"] in FINAL

    @property
    def is_left(self) -> bool:
        """Whether it still has to end."""
        return not self.is_over and not self.gone

    def touch(self, deed: str) -> None:
        """Note what was done to it. What revives a scenario revives those around it."""
        self.touched.add(deed)
        if self.above and deed == "revived":
            self.above.touch(deed)


class Users:
    """See the module.

    Attributes:
        known: all scenarios. decided: what gates said when they were decided. schedules, batches: their ids.
    """

    def __init__(
        self, system: System, client: Client, chance: random.Random, names: Sequence[str] = ()
    ) -> None:
        self.client, self.wrong = client, system.wrong
        self.known: dict[str, Known] = {}
        self.decided: dict[str, str] = {}
        self.schedules: dict[str, str] = {}
        self.batches: list[tuple[str, list[Known]]] = []
        self._chance = chance
        self._names = names or NAMES
        self._numbers = iter(range(10**9))

    def note(self, scenario_id: str, name: str) -> Known:
        """Know a scenario from now on."""
        return self.known.setdefault(scenario_id, Known(scenario_id, name))

    async def submit(self, stop: asyncio.Event) -> None:
        """One scenario after the other."""
        while not stop.is_set():
            name = self._chance.choice(self._names)
            owner = {
                "tenant": self._chance.choice(TENANTS),
                "priority": self._chance.choice((None, None, 0, 4)),
            }
            given = {key: value for key, value in owner.items() if value is not None}
            await (self._batch(given) if name == "Batch" else self._one(name, given))
            await asyncio.sleep(self._chance.expovariate(5))

    async def _one(self, name: str, owner: Json) -> None:
        key = f"key-{next(self._numbers)}"
        body = {"scenario": name, "variables": self._variables(name), **owner}
        answers = []
        for _ in range(self._chance.choice((1, 1, 1, 2))):
            code, answer = await self.client.ask(
                "POST", "/generate", json=body, headers={"Idempotency-Key": key}
            )
            if code in (200, 201):
                answers.append(answer["scenario_id"])
                self.note(answers[-1], name)
            elif code:
                self.wrong.append(f"POST /generate {name}: {code} {answer}")
        if len(set(answers)) > 1:
            self.wrong.append(f"{name}: one key, two scenarios: {answers}")

    def _variables(self, name: str) -> Json:
        chance = self._chance
        return {
            "Flow": {"USER": chance.choice(("ann", "bob")), "N": chance.randint(1, 8)},
            "Trip": {"BAD": chance.random() < 0.7},
            "Series": {"BAD": chance.random() < 0.2},
            "Wide": {"N": chance.choice((3, 60, 400)), "BAD": chance.choice((0, 0, 1))},
        }.get(name, {})

    async def _batch(self, owner: Json) -> None:
        key = f"batch-{next(self._numbers)}"
        lines = [{"scenario": "Letter", "variables": {"NAME": f"{key}-{n}"}, **owner} for n in range(8)]
        headers = {"Idempotency-Key": key, "Content-Type": "application/x-ndjson"}
        text = "\n".join(json.dumps(line) for line in lines)
        code, answer = await self.client.ask("POST", "/batches", content=text, headers=headers)
        if code in (200, 201):
            known = [
                self.note(line["scenario_id"], "Letter")
                for line in answer["results"]
                if line.get("scenario_id")
            ]
            self.batches.append((answer["batch_id"], known))
        if code and (code not in (200, 201) or answer["accepted"] != len(lines)):
            self.wrong.append(f"POST /batches: {code} {answer}")

    async def make_schedules(self) -> None:
        """Two that fire every second: one makes up for all it missed, the other for the latest."""
        for misfire, overlap in (("all", "allow"), ("once", "skip")):
            body = {"scenario": "Tick", "variables": {"WHO": misfire}, "every_s": 1}
            body |= {"misfire": misfire, "overlap": overlap}
            code, answer = await self.client.ask(
                "POST", "/schedules", json=body, headers={"Idempotency-Key": misfire}
            )
            if code not in (200, 201):
                self.wrong.append(f"POST /schedules: {code} {answer}")
            else:
                self.schedules[misfire] = answer["schedule_id"]

    async def watch(self, stop: asyncio.Event) -> None:
        """See how all go on."""
        while not stop.is_set():
            await self.look()
            await asyncio.sleep(0.5)

    async def look(self) -> list[Known]:
        """Ask for those that are left. Returns what is left of them."""
        for one in [one for one in self.known.values() if one.is_left]:
            await self.see(one)
        return [one for one in self.known.values() if one.is_left]

    async def see(self, one: Known) -> None:
        """Ask for one."""
        code, found = await self.client.ask("GET", f"/scenarios/{one.id}", params={"limit": 1000})
        while code == 200 and found["next_cursor"]:
            query = {"limit": 1000, "cursor": found["next_cursor"]}
            code, page = await self.client.ask("GET", f"/scenarios/{one.id}/tasks", params=query)
            if code == 200:
                found["tasks"] += page["tasks"]
                found["next_cursor"] = page["next_cursor"]
        one.gone = code == 404
        if code == 200 and (found["status"] not in FINAL or _is_whole(found)):
            one.last = found
            for task in found["tasks"]:
                if task["child_scenario_id"]:
                    self.note(task["child_scenario_id"], "Episode").above = one

    async def vote(self, stop: asyncio.Event) -> None:
        """Decide what is asked."""
        while not stop.is_set():
            await self.vote_once()
            await asyncio.sleep(0.5)

    async def vote_once(self) -> None:
        """A vote for each gate that anybody may decide; some votes twice."""
        code, found = await self.client.ask("GET", "/gates", params={"limit": 100})
        for gate in found["items"] if code == 200 else []:
            if not gate["who"]:
                decision = "approve" if self._chance.random() < 0.7 else "reject"
                body = {"decision": decision, "by": f"person-{next(self._numbers)}"}
                for _ in range(self._chance.choice((1, 2))):
                    await self._vote(gate["task_id"], body)

    async def _vote(self, task_id: str, body: Json) -> None:
        code, answer = await self.client.ask("POST", f"/gates/{task_id}/decision", json=body)
        if code == 200 and answer["state"] in ("approved", "rejected"):
            before = self.decided.setdefault(task_id, answer["state"])
            if before != answer["state"]:
                self.wrong.append(f"gate {task_id} was {before}, and is {answer['state']}")
        elif code not in (0, 200, 404, 409):
            self.wrong.append(f"POST /gates/{task_id}/decision: {code} {answer}")

    async def send(self, one: Known, event: str) -> None:
        """An event, until it is answered."""
        event_id = f"event-{len(one.sent)}"
        body = {"event": event, "event_id": event_id, "data": {"reason": event_id}}
        code, answer = await self.client.ask("POST", f"/scenarios/{one.id}/events", json=body)
        one.sent[event_id] = answer if code == 200 else None
        if code not in (0, 200, 404, 409):
            self.wrong.append(f"event {event} to {one.id}: {code} {answer}")


def _is_whole(found: Json) -> bool:
    """Whether pages that were read one after the other are of one moment: else it was revived meanwhile."""
    return all(task["status"] not in ("pending", "processing") for task in found["tasks"])
