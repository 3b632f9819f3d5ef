"""Fields of a task that do not go together, and those that one needs for another."""

from collections.abc import Collection, Iterator
from typing import Any, Final

from orchestrator.templates.defaults import Services
from orchestrator.templates.naming import OWN_SERVICE, Form
from orchestrator.templates.problems import Finding, did_you_mean, shown
from orchestrator.templates.tree import Json

PREFIX: Final = "Scenario"
"""`CreateVideo` and `ScenarioCreateVideo` are the same template."""
_HELD: Final = ("gate", "scenario")
_OF_WORKERS: Final = ("service", "retry", "priority", "concurrency", "rate")
_PAIRS: Final = (
    ("gate", "scenario", "a task is a gate or a scenario"),
    ("delay", "run_at", "give one of them"),
    ("finally", "compensates", "a task that undoes another runs at the end anyway"),
    ("compensates", "join", "it waits until all ordinary tasks have ended, however"),
)
_WATCHED: Final = frozenset(
    ("gate", "scenario", "variables", "delay", "finally", "compensates", "timeout", "concurrency", "rate")
)
"""At least one of these stands in every conflict but that about the service."""


def conflicts(form: Form, services: Services) -> Iterator[Finding]:
    """What is wrong with a task whose fields are right by themselves."""
    if _WATCHED.isdisjoint(form.fields) and not services.has(form.service):
        yield from _service(form, form.fields, held=False)
        return
    given = {name: value for name, value in form.fields.items() if value is not None and value is not False}
    for one, other, why in _PAIRS:
        if one in given and other in given:
            yield _conflict(form, other, f"`{one}` and `{other}` do not go together", why)
    held = next((name for name in _HELD if name in given), None)
    if held is not None:
        yield from (
            _conflict(form, name, f"no worker does a task with `{held}`, so it has no `{name}`", "")
            for name in _OF_WORKERS
            if name in given
        )
    if held == "gate":
        yield from (
            _conflict(form, name, f"a `gate` has a `deadline` of its own, so it has no `{name}`", "")
            for name in ("timeout", "timeouts")
            if name in given
        )
    yield from _service(form, given, held=held is not None)
    if "variables" in given and "scenario" not in given:
        yield _conflict(form, "variables", "`variables` of a task are those of its `scenario`", "")
    if "timeout" in given and isinstance(given.get("timeouts"), dict) and "run" in given["timeouts"]:
        yield _conflict(form, "timeout", "`timeout` is short for `timeouts.run`, which stands here, too", "")
    if isinstance(gate := given.get("gate"), dict) and "default" in gate and gate.get("deadline") is None:
        message = "`default` is what holds at the `deadline`, which is missing"
        yield Finding("missing_field", message, path=("tasks", form.number, "gate", "default"))
    if _has_two_keys(form, services):
        yield _conflict(form, "rate", "`concurrency` and `rate` have different keys", "leave one out")


def unknown_scenarios(form: Form, templates: Collection[str] | None) -> Iterator[Finding]:
    """A template that a task runs, and that does not exist; None: nobody knows which there are."""
    name = form.fields.get("scenario")
    if templates is not None and isinstance(name, str) and not is_template(name, templates):
        message = f"there is no template {shown(name)}"
        hint = did_you_mean(name, templates)
        yield Finding("unknown_template", message, path=("tasks", form.number, "scenario"), hint=hint)


def is_template(name: str, templates: Collection[str]) -> bool:
    """Whether a name is one of these, with or without the prefix `Scenario`."""
    short = name.removeprefix(PREFIX)
    return short in templates or f"{PREFIX}{short}" in templates


def _conflict(form: Form, name: str, message: str, hint: str) -> Finding:
    return Finding("conflicting_fields", message, path=("tasks", form.number, name), hint=hint)


def _service(form: Form, given: dict[str, Json], *, held: bool) -> Iterator[Finding]:
    path = ("tasks", form.number, "service")
    if given.get("service") is None and not held:
        yield Finding("missing_field", "'service' is missing", path=path)
    elif given.get("service") == OWN_SERVICE and not held:
        yield Finding("bad_service", f"{OWN_SERVICE!r} is the engine's own service", path=path)


def _has_two_keys(form: Form, services: Services) -> bool:
    """Whether concurrency and rate, of the task or of its service, are counted by different keys."""
    keys: list[Any] = []
    for name in ("concurrency", "rate"):
        value = form.fields[name] if name in form.fields else services.default(form.service, name)
        if isinstance(value, dict) and value.get("key") is not None:
            keys.append(str(value["key"]))
    return len(set(keys)) == 2
