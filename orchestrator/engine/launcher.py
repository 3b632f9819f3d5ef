"""Starts scenarios from templates on the engine's own account: for schedules, and for tasks that are scenarios."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.handover import new_scenario, warning_out
from orchestrator.store.admission import Admission
from orchestrator.store.arguments import ScenarioTooLarge
from orchestrator.store.records import NewScenario, Owner, Submitted
from orchestrator.store.store import Store
from orchestrator.templates import Limits, Registry, TemplateError, UnknownTemplate, generate

NOT_TO_BE = (UnknownTemplate, TemplateError, ScenarioTooLarge)
"""What `launch` raises when there can be no such scenario, however often it is tried."""


class Launcher:
    """See the module.

    Args:
        registry: templates of this process; all replicas should have the same.
        strict: warnings about a template are errors.
        admission: asked before what may be refused; None: only the numbers of `Policy` count.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        limits: Limits | None = None,
        *,
        strict: bool = False,
        admission: Admission | None = None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._limits = limits or Limits()
        self._strict = strict
        self._admission = admission

    async def launch(
        self,
        name: str,
        variables: Mapping[str, Any],
        scenario_id: str,
        *,
        now: datetime | None = None,
        owner: Owner | None = None,
        admit: bool = False,
        **more: Any,
    ) -> Submitted:
        """Generate and submit. With the same id a second time is a replay of the first, whatever has changed since.

        Args:
            name: of the template, with or without the prefix `Scenario`.
            now: what `now()` of the template gives; the moment of the call when it is not given.
            owner: on whose behalf.
            admit: refuse it while there is too much work.
            more: further fields of `NewScenario`.

        Raises:
            UnknownTemplate, TemplateError, ScenarioTooLarge: see `NOT_TO_BE`.
            Overloaded: see `Store.submit`; nothing was done.
            Unavailable, Refused: see `Store.submit`; may be repeated.
        """
        if admit and self._admission:
            await self._admission.check()
        moment = now or datetime.now(UTC)
        scenario = await asyncio.to_thread(self._generated, name, variables, scenario_id, moment, owner)
        return await self._store.submit(replace(scenario, **more), admit=admit)

    def _generated(
        self, name: str, variables: Mapping[str, Any], scenario_id: str, now: datetime, owner: Owner | None
    ) -> NewScenario:
        found = generate(
            self._registry.get(name),
            scenario_id=scenario_id,
            variables=variables,
            now=now,
            strict=self._strict,
            limits=self._limits,
            templates=self._registry.names(),
        )
        return new_scenario(found, [warning_out(problem) for problem in found.warnings], owner)
