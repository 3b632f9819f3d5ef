"""Any text is a scenario or a TemplateError, nothing else."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.templates import Limits, TemplateError
from tests.unit.templates.build import build

SEED = Path(__file__).with_name("seed_create_video.yml").read_text("utf-8")
PIECES = [
    "{{", "}}", "{%", "%}", "{#", "#}", "-", ":", "\n", " ", "  ", '"', "'", "[", "]", "{", "}", "&a", "*a", "!!str ", "|", ">", "?", "#", "%", "@",
    "`", "\t", "\x00", "\x85", "\u2028", "\ud800", "\uf8ff", "~", "null", "tasks:", "variables:", "- name: A", "service: s", "count: 3", "needs: [A]",
    "id: x", "A_task_id: A", "x_ids: A", "for i in range(3)", "endfor", "if", "endif", "set a = 1", "i", "loop", "SHORT_UUID('A')", "now()", "**", "~",
    "namespace(a=1)", "macro m(x)", "endmacro", "raw", "endraw", "[0]", ".a", "| list", "is defined", "1e999", "-", "queue: {{ N_SLIDES }}", "---", "...",
]  # fmt: skip
SMALL = Limits(max_seconds=1, max_tasks=1_000, max_output=1_000_000)


def answer(text: str) -> None:
    try:
        build(text, limits=SMALL)
    except TemplateError as error:
        assert error.problems
        assert all(problem.line <= text.count("\n") + 2 for problem in error.problems)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_pieces_in_any_order_are_answered(text: str) -> None:
    answer(text)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(SEED)), st.integers(0, 12), st.sampled_from(PIECES)),
        min_size=1,
        max_size=3,
    )
)
def test_a_damaged_seed_is_answered(damage: list[tuple[int, int, str]]) -> None:
    text = SEED
    for position, length, piece in damage:
        text = text[:position] + piece + text[position + length :]
    answer(text)
