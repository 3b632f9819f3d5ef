"""The `services` of one document: defaults of its tasks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.templates.naming import OWN_SERVICE
from orchestrator.templates.problems import Finding, Path, did_you_mean, shown
from orchestrator.templates.shape import resolved
from orchestrator.templates.state import Given
from orchestrator.templates.terms import OF_SERVICE
from orchestrator.templates.tree import Json, Map, Tree, substitute


class Services:
    """The `services` of one document, as `trees` of each and with the values of this request."""

    def __init__(self, tree: Tree, seen: Json) -> None:
        self._trees = {name: one for name, one in _maps(tree)}
        self._seen = {name: one for name, one in _maps(seen)}

    def has(self, service: str) -> bool:
        """Whether the tasks of a service have defaults."""
        return service in self._trees

    def default(self, service: str, name: str) -> Json:
        """Value of a field that the tasks of a service have by default."""
        return self._seen.get(service, {}).get(name)

    def terms(self, service: str) -> dict[str, Tree]:
        """Default terms of the tasks of a service."""
        return {name: tree for name, tree in self._trees.get(service, {}).items() if name in OF_SERVICE}

    def problems(self, used: Iterable[str]) -> Iterator[Finding]:
        """Services that no task has, and the one that no worker serves."""
        known = set(used)
        for name in self._seen:
            path: Path = ("services", name)
            if name == OWN_SERVICE:
                yield Finding("bad_service", f"{name!r} is the engine's own service", path=path)
            elif name not in known:
                message = f"no task has the service {shown(name)}"
                hint = did_you_mean(name, known)
                yield Finding("unknown_service", message, path=path, hint=hint, severity="warning")


def _maps(tree: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(tree, dict):
        yield from ((name, one) for name, one in tree.items() if isinstance(one, dict))


def seen(tree: Tree, given: Given, findings: list[Finding]) -> Json:
    """`services` as the form check sees it."""
    if not isinstance(tree, Map):
        return resolved(tree, given, ("services",), findings)
    return {name: _seen_one(one, given, ("services", name), findings) for name, one in tree.items()}


def _seen_one(tree: Tree, given: Given, path: Path, findings: list[Finding]) -> Json:
    if not isinstance(tree, Map):
        return resolved(tree, given, path, findings)
    return {
        name: substitute(value, given.values)
        if name in OF_SERVICE
        else resolved(value, given, (*path, name), findings)
        for name, value in tree.items()
    }
