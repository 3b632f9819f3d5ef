"""What `rules` and `on_ready` of every task are made of, once its graph is known."""

from collections.abc import Sequence
from typing import Final

from orchestrator.templates.defaults import Services
from orchestrator.templates.joins import Joins
from orchestrator.templates.naming import Form
from orchestrator.templates.outline import Row
from orchestrator.templates.terms import Open, Terms, TermsForm, said
from orchestrator.templates.timeouts import timeouts_of
from orchestrator.templates.tree import Json, has_tokens, substitute
from orchestrator.templates.units import is_true

_RULED: Final = frozenset(("join", "optional", "finally", "compensates", "timeout", "timeouts"))


class Ruling:
    """Makes the `Terms` of tasks; copies of a task share them."""

    def __init__(self, rows: Sequence[Row], services: Services, joins: Joins, undoes: dict[int, int]) -> None:
        self._rows = rows
        self._services = services
        self._joins = joins
        self._undoes = undoes

    def of(self, form: Form) -> list[Terms | None]:
        """Terms of the copies of a task; None when there is nothing to say."""
        row, joins = self._rows[form.number], self._joins
        plain = not row.outline.terms and not _RULED & form.fields.keys()
        if plain and not self._services.has(form.service) and joins.tolerated.isdisjoint(form.copies):
            return [None] * len(form.copies)
        opened = self._open(form, row)
        shared = _rules_of_form(form, self._services)
        made: dict[tuple[Json, ...], Terms | None] = {}
        found = []
        for task in form.copies:
            rules = self._graph_rules(task)
            kind = tuple(rules.items())
            if kind not in made:
                made[kind] = self._terms(form, {**shared, **rules}, opened)
            found.append(made[kind])
        return found

    def _graph_rules(self, task: int) -> dict[str, Json]:
        joins = self._joins
        rules: dict[str, Json] = {}
        if task in joins.at_end:
            rules["finally"] = joins.at_end[task]
        if task in joins.need:
            rules["need"] = joins.need[task]
        if task in joins.all_done:
            rules["all_done"] = True
        if task in joins.tolerated:
            rules["tolerated"] = True
        return rules

    def _terms(self, form: Form, rules: dict[str, Json], opened: Open) -> Terms | None:
        undoes = self._undoes.get(form.copies[0])
        if rules.get("optional"):
            rules.pop("tolerated", None)
        if opened.own or opened.inherited:
            return Terms(rules, {}, opened, undoes)
        more, on_ready = said(opened.settled, form.service)
        rules |= more
        return Terms(rules, on_ready, None, undoes) if rules or on_ready or undoes is not None else None

    def _open(self, form: Form, row: Row) -> Open:
        """Terms of a task and those that its service gives it, what is settled apart from what holds values."""
        own = [(name, tree) for name, tree in row.outline.terms if name in TermsForm.model_fields]
        names = {name for name, _ in own}
        inherited = [one for one in self._services.terms(form.service).items() if one[0] not in names]
        return Open(
            form.service,
            {name: substitute(tree, []) for name, tree in (*own, *inherited) if not has_tokens(tree)},
            tuple(one for one in own if has_tokens(one[1])),
            tuple(one for one in inherited if has_tokens(one[1])),
        )


def _rules_of_form(form: Form, services: Services) -> dict[str, Json]:
    rules: dict[str, Json] = {}
    if is_true(form.fields.get("optional")):
        rules["optional"] = True
    timeouts = _timeouts(form, services)
    if timeouts:
        rules["timeouts"] = timeouts
    return rules


def _timeouts(form: Form, services: Services) -> dict[str, Json] | None:
    names = ("timeout", "timeouts")
    if any(name in form.fields for name in names):
        return timeouts_of(*map(form.fields.get, names))
    return timeouts_of(*(services.default(form.service, name) for name in names))
