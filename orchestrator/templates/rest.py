"""What else is wrong with a template whose variables are not all known, so that its author mends it in one go."""

from datetime import UTC, datetime
from typing import Final

from orchestrator.templates.drafts import draft
from orchestrator.templates.head import Head
from orchestrator.templates.limits import Limits
from orchestrator.templates.locate import Locator
from orchestrator.templates.problems import Finding, TemplateProblem
from orchestrator.templates.rows import read
from orchestrator.templates.shape import Shape, shape_of
from orchestrator.templates.source import compile_source, prefix_absent_from, render
from orchestrator.templates.state import Rendering
from orchestrator.templates.tree import Tree, at, has_tokens
from orchestrator.templates.yamlload import parse

_MOMENT: Final = datetime(2000, 1, 1, tzinfo=UTC)
_SCENARIO: Final = "0" * 16
_OF_NAMES: Final = frozenset(
    ("unknown_need", "unknown_consumer", "unknown_reference", "ambiguous_reference", "duplicate_id", "cycle", "self_edge",
     "queue_mismatch", "duplicate_edge", "not_upstream", "bad_scenario_id", "id_in_text", "wrong_order", "impossible_join",
     "useless_join", "unknown_service", "unknown_state", "unreachable_state", "unknown_template"),
)  # fmt: skip
"""What may look different once the unknown variables have values, if names are made of them."""


def rest_of(
    text: str, file: str, head: Head, unknown: frozenset[str], limits: Limits
) -> list[TemplateProblem]:
    """Problems that no value of the `unknown` variables changes, as the defaults of the others show them."""
    values = head.variables | dict.fromkeys(unknown)
    state = Rendering(_SCENARIO, head.own, _MOMENT, limits, prefix_absent_from(text))
    try:
        source = compile_source(text, frozenset(values))
        rendered = render(source.plain, values, state)
        shape = shape_of(read(rendered, state))
        tree = parse(rendered, state.prefix, limits.max_depth).tree
        certain = _certain(draft(shape, state, limits).findings, shape, tree, state)
        return Locator(source, file, values, state).problems(certain, rendered)
    except (
        Exception
    ):  # nothing is lost: an expression that fails with these values may not with the real ones
        return []


def _certain(findings: list[Finding], shape: Shape, tree: Tree, state: Rendering) -> list[Finding]:
    open_names = any(state.values[number] is None for number, use in shape.all_inputs() if use != "kind")
    return [
        finding
        for finding in findings
        if not (open_names and finding.code in _OF_NAMES)
        and (finding.mark >= 0 or not has_tokens(at(tree, finding.path)))
        and finding.path != ("tasks",)
    ]
