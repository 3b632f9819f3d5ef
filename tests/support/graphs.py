"""Scenarios for tests, built without templates."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.store.records import NewScenario, NewTask
from workers_sdk.protocol.keys import scenario_id_from, short_uuid

Said = Mapping[str, dict[str, Any]]


def graph(
    needs: Mapping[str, Sequence[str]],
    *,
    service: str = "test-service",
    scenario_id: str = "",
    rules: Said | None = None,
    on_ready: Said | None = None,
) -> NewScenario:
    """A scenario from `name -> names it waits for`. Names must come after what they need (topological order).

    `rules` and `on_ready` are given by name; `{name}` in a text of `on_ready` becomes the id of that task.
    """
    scenario_id = scenario_id or scenario_id_from(secrets.token_bytes(16))
    ids = {name: short_uuid(scenario_id, name) for name in needs}
    consumers: dict[str, list[str]] = {name: [] for name in needs}
    for name, parents in needs.items():
        for parent in parents:
            consumers[parent].append(ids[name])
    tasks = [
        NewTask(
            ids[name],
            service,
            name,
            len(parents),
            consumers[name],
            {"prompt": name},
            rules=(rules or {}).get(name),
            on_ready=_with_ids((on_ready or {}).get(name), ids),
        )
        for name, parents in needs.items()
    ]
    return NewScenario(scenario_id, "Graph", "1.0.0", {}, "hash", list(ids.values()), tasks[::-1])


def _with_ids(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        return ids[value[1:-1]]
    if isinstance(value, dict):
        return {name: _with_ids(one, ids) for name, one in value.items()}
    return [_with_ids(one, ids) for one in value] if isinstance(value, list) else value


def diamond(width: int) -> dict[str, list[str]]:
    """first -> width in the middle -> last."""
    middle = [f"m{i}" for i in range(width)]
    return {"first": [], **{name: ["first"] for name in middle}, "last": middle}


def chain(length: int) -> dict[str, list[str]]:
    """One after another."""
    return {f"c{i}": [f"c{i - 1}"] if i else [] for i in range(length)}
