"""Writes what a task takes from run time into its `on_ready`, for `runtime.py` to read.

Null stands where a value will be put in. A binding says where, by a path, and from what; it is made of trees and Deferred
only, never of text, so no value of a request can become one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.templates.deferred import OF_TASKS, Deferred
from orchestrator.templates.planned import Filling
from orchestrator.templates.problems import Refused
from orchestrator.templates.references import TaskIds
from orchestrator.templates.state import Rendering, to_text
from orchestrator.templates.tree import Items, Json, Map, Slot, Text, Tree, size_of, substitute
from orchestrator.templates.upstream import Taken, Words

Step = str | int


class Binder:
    """Writes bindings for the tasks of one scenario: `words` and `ids` tell the tasks, `variables` are those of the request."""

    def __init__(
        self, state: Rendering, words: Words, ids: Sequence[str], variables: Mapping[str, Json]
    ) -> None:
        self._state = state
        self._ids = ids
        self._words = words
        self._variables = variables
        self._room = state.limits.max_output

    def bound(self, filling: Filling, taken: Taken) -> tuple[dict[str, Json], dict[str, Json]]:
        """Template fields of a task, with null where something will be put in, and its part of `on_ready`.

        Raises Refused when the variables that conditions use are too large together.
        """
        writer = _Writer(self, filling.row.values(self._state.values))
        fields = filling.base.copy()
        for name, tree in filling.open:
            fields[name] = writer.put(tree, ["fields", name])
        for name, tree in taken.terms:
            writer.put(tree, [name])
        on_ready: dict[str, Json] = {}
        if taken.items is not None:
            on_ready["foreach"] = {"items": writer.put(taken.items, ["foreach"])}
        if writer.bindings:
            on_ready["set"] = writer.bindings
        if taken.condition is not None:
            on_ready["when"] = self._when(taken)
        return fields, on_ready

    def source(self, deferred: Deferred) -> dict[str, Json]:
        """Where a value comes from."""
        source: dict[str, Any] = {"of": deferred.of}
        if deferred.of in OF_TASKS:
            tasks = self._words[deferred.word]
            source |= {"word": deferred.word, "ids": [self._ids[task] for task in tasks]}
            if len(tasks) != 1 or deferred.of == "results":
                source["many"] = True
        if deferred.path:
            source["path"] = list(deferred.path)
        if deferred.default:
            source["default"] = deferred.default[0]
        if deferred.or_empty:
            source["or_empty"] = True
        return source

    def id_of(self, task: int) -> str:
        """Id of a task."""
        return self._ids[task]

    def _when(self, taken: Taken) -> dict[str, Json]:
        condition = taken.condition
        assert condition is not None
        when: dict[str, Json] = {
            "test": condition.test,
            "takes": [self.source(one) for one in condition.takes],
            "variables": {name: self._variables[name] for name in condition.variables},
        }
        self._room -= size_of(when["variables"])
        if self._room < 0:
            most = self._state.limits.max_output
            raise Refused("output_too_large", f"variables in conditions are longer than {most} characters")
        return when | ({"each": True} if condition.each else {})


class _Writer:
    """Fills the trees of one task and collects its bindings."""

    def __init__(self, binder: Binder, values: list[Json]) -> None:
        self.bindings: list[Json] = []
        self._binder = binder
        self._values = values

    def put(self, tree: Tree, path: list[Step]) -> Json:
        """The tree with values, null where a binding puts one in later."""
        kind = type(tree)
        if kind is Slot and type(self._values[tree.number]) is Deferred:
            source = self._binder.source(self._values[tree.number])
            as_text = path == ["fields", "prompt"]  # a prompt is text, whatever a result holds
            return self._bind(path, {"text": [source]} if as_text else {"value": source})
        if kind is Text and self._waits(tree):
            return self._bind(path, {"text": self._parts(tree)})
        if kind is Map:
            return {name: self.put(item, [*path, name]) for name, item in tree.items()}
        if kind is Items:
            return [self.put(item, [*path, index]) for index, item in enumerate(tree)]
        return self._ids(tree, path) if kind is TaskIds else substitute(tree, self._values)

    def _bind(self, path: list[Step], what: dict[str, Json]) -> None:
        self.bindings.append({"path": path, **what})

    def _waits(self, text: Text) -> bool:
        return any(isinstance(part, int) and type(self._values[part]) is Deferred for part in text.parts)

    def _parts(self, text: Text) -> list[Json]:
        values = [part if isinstance(part, str) else self._values[part] for part in text.parts]
        return [self._binder.source(one) if type(one) is Deferred else to_text(one) for one in values]

    def _ids(self, tree: TaskIds, path: list[Step]) -> Json:
        if not tree.many:
            return self._binder.id_of(tree.parts[0]) if tree.parts else None
        return [
            self._binder.id_of(part) if type(part) is int else self.put(part[0], [*path, index])
            for index, part in enumerate(tree.parts)
        ]
