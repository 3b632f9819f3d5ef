"""What a task takes from results of other tasks, for the engine: pure, no I/O. `on_ready` is what `bindings.py` writes.

A source tells where a value comes from: `{"of", "word", "ids", "many", "path", "default", "or_empty"}`; of an event also
`given`, once it is known. A binding puts it somewhere: `{"path", "value": source}`, or `{"path", "text": [text or source, ...]}`.
A path begins with `fields`, `foreach`, `gate` or `variables`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from orchestrator.templates.deferred import OF_EVENT, OF_TASKS, Deferred
from orchestrator.templates.evaluator import MISSING, CannotResolve, Scope, evaluate, part_of, shown, text_of

__all__ = [
    "MAX_ITEMS",
    "CannotResolve",
    "Known",
    "child_of",
    "gate_of",
    "items",
    "passes",
    "resolved",
    "variables_of",
    "wanted",
    "with_event",
]

Json = Any
MAX_ITEMS: Final = 10_000
MAX_BYTES: Final = 4 * 1024 * 1024
"""JSON of all that is put into one task."""
_SUCCESS: Final = "success"


@dataclass(frozen=True, slots=True)
class Known:
    """What became of a task: its status, its result (None without one) and `result_ref` (empty without one)."""

    status: str
    result: Json
    ref: str


def wanted(on_ready: Mapping[str, Json]) -> list[str]:
    """Ids of the tasks whose `Known` is needed, each once."""
    sources = [source for binding in on_ready.get("set", ()) for source in _sources(binding)]
    sources += on_ready.get("when", {}).get("takes", ())
    return list(dict.fromkeys(id_ for source in sources for id_ in source.get("ids", ())))


def with_event(on_ready: Mapping[str, Json], event: Mapping[str, Json]) -> dict[str, Json]:
    """`on_ready` of a task of a state, with the event that led there: `name`, `data`, `by` and `from`."""

    def given(source: Json) -> Json:
        return {**source, "given": event} if isinstance(source, dict) and source["of"] == OF_EVENT else source

    known = dict(on_ready)
    if "set" in known:
        known["set"] = [
            {**binding, "text": [given(part) for part in binding["text"]]}
            if "text" in binding
            else {**binding, "value": given(binding["value"])}
            for binding in known["set"]
        ]
    if "when" in known:
        known["when"] = {**known["when"], "takes": [given(source) for source in known["when"]["takes"]]}
    return known


def passes(
    on_ready: Mapping[str, Json], known: Mapping[str, Known], *, item: Json = None, index: int | None = None
) -> bool:
    """Whether `when` holds; True without one. One about the items of a `foreach` is asked with each item and its index (from
    1), and holds without them.

    Raises:
        CannotResolve: the values are not such as it works with.
    """
    when = on_ready.get("when")
    if when is None or (when.get("each") and index is None):
        return True
    takes = [_taken(source, known, item, index) for source in when["takes"]]
    return bool(evaluate(when["test"], Scope(takes, when["variables"])))


def resolved(
    on_ready: Mapping[str, Json],
    known: Mapping[str, Known],
    fields: Mapping[str, Json],
    *,
    item: Json = None,
    index: int | None = None,
) -> dict[str, Json]:
    """The template fields that something is put into, whole, with it. `item` and `index` (from 1) are those of a `foreach`.

    Raises:
        CannotResolve: a result is not there and has no default, or `params` would be no mapping.
    """
    found = _Values(on_ready, known, item, index)
    changed = {name: found.put_into("fields", name, tree=fields.get(name)) for name in found.names("fields")}
    if "params" in changed:
        _mapping("params", changed["params"])
    return _mapping("fields", changed)


def items(on_ready: Mapping[str, Json], known: Mapping[str, Known]) -> list[Json]:
    """The items of `foreach`. Raises CannotResolve when it is no list, is too long, or is not there."""
    found = _Values(on_ready, known, None, None).put_into("foreach", tree=on_ready["foreach"]["items"])
    if not isinstance(found, list):
        raise CannotResolve("wrong_type", f"`foreach` goes over a list, not {shown(found)}")
    if len(found) > MAX_ITEMS:
        raise CannotResolve("too_many_items", f"`foreach` has {len(found)} items, more than {MAX_ITEMS}")
    checked: list[Json] = _checked(found)
    return checked


def gate_of(
    on_ready: Mapping[str, Json], known: Mapping[str, Known], *, item: Json = None, index: int | None = None
) -> dict[str, Json]:
    """`gate` with its values put in. Raises CannotResolve."""
    return _mapping("gate", _Values(on_ready, known, item, index).put_into("gate", tree=on_ready["gate"]))


def variables_of(
    on_ready: Mapping[str, Json], known: Mapping[str, Known], *, item: Json = None, index: int | None = None
) -> dict[str, Json]:
    """Variables of the sub-scenario with their values put in. Raises CannotResolve."""
    tree = on_ready["scenario"].get("variables") or {}
    return _mapping("variables", _Values(on_ready, known, item, index).put_into("variables", tree=tree))


def child_of(
    on_ready: Mapping[str, Json], known: Mapping[str, Known], item: Json, index: int
) -> dict[str, Json] | None:
    """`on_ready` of the child that a `foreach` makes for an item: all is put in already; None when nothing is left to ask.

    Raises CannotResolve.
    """
    child = {name: value for name, value in on_ready.items() if name not in ("set", "when", "foreach")}
    if "gate" in child:
        child["gate"] = gate_of(on_ready, known, item=item, index=index)
    if "scenario" in child:
        variables = variables_of(on_ready, known, item=item, index=index)
        child["scenario"] = {**on_ready["scenario"], "variables": variables}
    return child or None


def _mapping(name: str, found: Json) -> dict[str, Json]:
    if not isinstance(found, dict):
        raise CannotResolve("wrong_type", f"`{name}` is a mapping, and would be {shown(found)}")
    return dict(_checked(found))


def _checked(value: Json) -> Json:
    """The value, if Redis can hold it."""
    try:
        size = len(orjson.dumps(value))
    except TypeError as error:
        raise CannotResolve("too_large", "what is put in is nested too deep") from error
    if size > MAX_BYTES:
        raise CannotResolve("too_large", f"what is put in takes {size} bytes, more than {MAX_BYTES}")
    return value


class _Values:
    """Bindings of a task with their values."""

    def __init__(
        self, on_ready: Mapping[str, Json], known: Mapping[str, Known], item: Json, index: int | None
    ) -> None:
        self._bindings: Sequence[Mapping[str, Json]] = on_ready.get("set", ())
        self._known = known
        self._item = item
        self._index = index

    def names(self, where: str) -> list[str]:
        """The second words of the paths that begin so."""
        paths = (binding["path"] for binding in self._bindings)
        return list(dict.fromkeys(path[1] for path in paths if path[0] == where))

    def put_into(self, *start: str, tree: Json) -> Json:
        """The tree that stands at this path, with all values below it."""
        for binding in self._bindings:
            path = binding["path"]
            if tuple(path[: len(start)]) == start:
                tree = _with(tree, path[len(start) :], self._value(binding))
        return tree

    def _value(self, binding: Mapping[str, Json]) -> Json:
        if "text" not in binding:
            return self._take(binding["value"])
        return "".join(
            part if isinstance(part, str) else text_of(self._take(part)) for part in binding["text"]
        )

    def _take(self, source: Mapping[str, Json]) -> Json:
        value = _taken(source, self._known, self._item, self._index)
        if value is MISSING:
            raise CannotResolve("no_result", _why_missing(source, self._known))
        return value


def _with(tree: Json, path: Sequence[str | int], value: Json) -> Json:
    """Copy of a tree with a value in it; what the path does not touch is shared."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return [_with(part, rest, value) if place == step else part for place, part in enumerate(tree)]
    return {**(tree or {}), step: _with((tree or {}).get(step), rest, value)}


def _sources(binding: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    if "text" in binding:
        return [part for part in binding["text"] if not isinstance(part, str)]
    return [binding["value"]]


def _taken(source: Mapping[str, Json], known: Mapping[str, Known], item: Json, index: int | None) -> Json:
    """What a source gives: MISSING when it is not there and there is no default."""
    path = source.get("path", ())
    if source["of"] not in OF_TASKS:
        return _or_default(source, _inside(_by_itself(source, item, index), path))
    results = [_of_task(source["of"], known.get(id_)) for id_ in source["ids"]]
    if not source.get("many"):
        return _or_default(source, _inside(results[0], path))
    if path and isinstance(path[0], int):
        return _or_default(source, _inside(part_of(results, path[0]), path[1:]))
    return _of_each(source, path, results)


def _by_itself(source: Mapping[str, Json], item: Json, index: int | None) -> Json:
    if source["of"] == OF_EVENT:
        return source.get("given", MISSING)
    return MISSING if index is None else item if source["of"] == "item" else index


def _of_each(source: Mapping[str, Json], path: Sequence[str | int], results: list[Json]) -> Json:
    """The same part of the results of several tasks. Null stands for a task that did not succeed, unless there is a default."""
    nothing = MISSING if "default" in source else None
    found = [nothing if result is MISSING else _inside(result, path) for result in results]
    values = [_or_default(source, value) for value in found]
    return MISSING if any(value is MISSING for value in values) else values


def _of_task(of: str, known: Known | None) -> Json:
    if known is None:
        return MISSING
    if of == "status":
        return known.status
    if known.status != _SUCCESS:
        return MISSING
    if of == "result_ref":
        return known.ref or MISSING
    if _is_elsewhere(known.result):
        raise CannotResolve(
            "too_large", "a result that is needed here lies in an artifact, for its size; pass `result_ref`"
        )
    return known.result


def _is_elsewhere(result: Json) -> bool:
    """What stands in place of a result that was too large to be kept with its task."""
    kinds = ({"inline", "artifact"}, {"inline", "task_ids"})
    return isinstance(result, dict) and result.get("inline") is False and set(result) in kinds


def _inside(value: Json, path: Sequence[str | int]) -> Json:
    for step in path:
        value = part_of(value, step)
    return value


def _or_default(source: Mapping[str, Json], value: Json) -> Json:
    if "default" in source and (value is MISSING or (source.get("or_empty") and not value)):
        return source["default"]
    return value


def _why_missing(source: Mapping[str, Json], known: Mapping[str, Known]) -> str:
    named = repr(Deferred(source["of"], source.get("word", ""), tuple(source.get("path", ()))))
    if source["of"] not in OF_TASKS:
        return f"{named} is not there"
    became = [known.get(id_) for id_ in source["ids"]]
    if len(became) == 1 and (became[0] is None or became[0].status != _SUCCESS):
        return f"{named}: the task {'is gone' if became[0] is None else 'is ' + became[0].status}, so it has no result"
    if source["of"] == "result_ref":
        return f"{named}: the task gave no artifact"
    if len(became) == 1 and became[0] is not None and became[0].result is None and became[0].ref:
        return f"{named}: the result is an artifact, whose parts only a worker can read; pass result_ref({source['word']!r})"
    return f"{named} is not in the result"
