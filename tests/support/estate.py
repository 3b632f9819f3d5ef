"""Trees of scenarios under a virtual clock, all timers looked after, in which nothing runs at the end before that."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.engine.reviver import Reviver
from orchestrator.store.records import NewScenario
from tests.support.checked import checked
from tests.support.graphs import graph
from tests.support.within import House, templates
from workers_sdk.protocol.keys import scenario_id_from
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status

TOP = scenario_id_from(b"lifecycle-stories")
END: dict[str, Any] = {"finally": 0, "all_done": True}


class Death(Exception):
    """Of the process that was about to call a script."""


async def dies() -> None:
    raise Death


class Estate(House):
    """A house whose timers are looked after, and in which nothing runs at the end before that."""

    begun: str = ""
    """Why `tell` began too early."""

    def watch(self) -> None:
        """From now on look after each call of a script whether `tell` has begun before all else was over."""
        call, seen = self.store.call, False

        async def watched(name: str, values: dict[str, Any], rest: Sequence[str | bytes | int] = ()) -> Any:
            nonlocal seen
            answer = await call(name, values, rest)
            if not seen and await self.link.execute("HGET", self.at.task(self.ids["tell"]), "token"):
                seen = True
                self.begun = ", ".join(await self.alive(TOP))
            return answer

        self.store.call = watched  # type: ignore[method-assign]

    async def alive(self, scenario_id: str) -> list[str]:
        """Names of the ordinary tasks of a scenario, and ids of those within it, that have not ended."""
        tasks = [
            one
            for one in await self.store.tasks((await self.record(scenario_id)).task_ids)
            if one is not None
        ]
        found = [one.name for one in tasks if "finally" not in one.rules and not one.status.is_final]
        within = [one.child_scenario_id for one in tasks if one.child_scenario_id]
        records = [await self.store.scenario(one) for one in within]
        return found + [one.scenario_id for one in records if one and not one.status.is_final]

    async def tend(self) -> None:
        """Do what is due now, until nothing is."""
        reviver = Reviver(self.store)
        for _ in range(50):
            await self.due()
            timers = [one for one in (await self.store.due(self.at)).timers if one[0] in ("cancel", "revive")]
            if not timers:
                return
            for kind, subject in timers:
                if kind == "cancel":
                    await self.store.cancel(subject)
                else:
                    await reviver.revive(self.at, subject)
            await self.settle()
        raise AssertionError(f"never done: {timers}")

    async def passes(self, ms: int) -> None:
        await super().passes(ms)
        await self.tend()

    async def work(self, *failing: str) -> list[str]:
        """Do all that is to be done; tasks `<scenario id> <name>` that are named fail. Returns what was done."""
        done: list[str] = []
        await self.tend()
        while entries := await self.worker.take():
            for entry in entries:
                done.append(f"{entry.scenario_id} {entry.name}")
                kind = EventKind.FAILED if done[-1] in failing else EventKind.SUCCESS
                await self.ends(entry, kind, **({} if kind is EventKind.FAILED else {"result": "1"}))
            await self.tend()
        return done

    async def statuses(self, *ids: str) -> list[Status]:
        return [(await self.record(one)).status for one in ids]

    async def sound(self) -> None:
        """Nothing differs from what it should be."""
        assert (await checked(self.link)).drift == {}


def ours(made: NewScenario, *names: str) -> NewScenario:
    """Tasks that no worker does."""
    tasks = [replace(one, service="orchestrator") if one.name in names else one for one in made.tasks]
    return replace(made, tasks=tasks)


def ending(parts: dict[str, dict[str, Any]], **rules: Any) -> NewScenario:
    """Ordinary tasks by name, with their `on_ready`, and `tell`, which runs at the end."""
    terms: dict[str, dict[str, Any]] = {
        name: {"ask": True, **rules} if said else {} for name, said in parts.items()
    }
    made = graph(
        {**{name: [] for name in parts}, "tell": list(parts)},
        scenario_id=TOP,
        rules={**{name: one for name, one in terms.items() if one}, "tell": END},
        on_ready={name: said for name, said in parts.items() if said},
    )
    return ours(made, *(name for name, said in parts.items() if "scenario" in said))


def watched(link: RedisLink, made: NewScenario, folder: Path, chunk: int = 64) -> Estate:
    estate = Estate(link, made, chunk=chunk, templates=templates(folder))
    estate.watch()
    return estate
