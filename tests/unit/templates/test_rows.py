"""Reading the tasks one by one gives what reading the text as a whole gives."""

import gc
import importlib
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.templates import Limits, TemplateError, rows, yamlload
from orchestrator.templates.cache import Cache
from orchestrator.templates.yamlload import Parsed
from tests.unit.templates.build import build, task

ROOT = Path(__file__).parents[3]
TEXTS = [path.read_text("utf-8") for path in ROOT.glob("scenarios/*/templates/*.yml")]
TEXTS.append(Path(__file__).with_name("seed_create_video.yml").read_text("utf-8"))
SMALL = Limits(max_seconds=10, max_tasks=1_000, max_output=1_000_000)
ITEMS = [
    "- name: A\n  service: s\n",
    "- {name: B, service: s, params: {a: 1}}\n",
    "-\n  name: C\n  service: s\n",
    '- name: D\n  service: s\n  prompt: "one\n- two"\n',
    '- name: E\n  service: s\n  prompt: "one\n   two"\n',
    "- name: F\n  service: s\n  prompt: |\n    a\n    - b\n\n    c\n",
    "- name: G\n  service: s\n  prompt: >-\n    a\n\n# no comment\n    b\n",
    "- name: H\n  service: s\n  params: [a,\n- b]\n",
    "- name: I\n  service: s\n  needs:\n  - A\n",
    "- name: K\n  service: s\n  needs:\n    - A\n",
    "- name: L\n  service: s # {{ P }}\n  # {{ P }}\n  prompt: '{{ P }}'\n",
    "{% for i in range(3) %}- name: M\n  service: s\n  id: m{{ i }}\n  text_id: '{{ SHORT_UUID('A') }}'\n{% endfor %}\n",
    "- name: N\n  service: s\n  prompt: a\n  prompt: b\n",
    "- name: O\n  service: &x s\n",
    "-name: P\n",
    "- - a\n",
    "- Q\n",
    "- \n",
    "version: '2'\n",
    "tasks: []\n",
    "---\n",
    "...\n",
    "\t- name: R\n",
    "  - name: S\n    service: s\n",
    "- name: T\n  service: s\n  prompt: '\n",
    "- name: U\n  service: s\n  prompt: {{ P }}\n  need: A\n  slide_ids: [A, {{ P }}]\n",
    "\n# between\n\n",
    "- name: V\n  service: s\n  count: {{ N }}\n  prompt: x{{ P }}y\n",
]  # fmt: skip
HEADS = [
    "tasks:\n",
    "tasks: # {{ P }}\n# first\n\n",
    "name: X\ntasks:\n",
    "description: |\n  tasks:\n  - name: A\ntasks:\n",
    'description: "\ntasks:\n- a"\ntasks:\n',
    "tasks: \n",
]


@contextmanager
def nothing_kept(*, whole: bool = False) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("orchestrator.templates.generate"), "_SHAPES", Cache(0))
        if whole:
            patch.setattr(rows, "_cut", lambda text: ("", []))
        yield


def answer(text: str, **how: bool) -> Any:
    declared = "variables: {P: 'q: [', N: 2}\n" + text
    with nothing_kept(**how):
        try:
            return build(declared, limits=SMALL)
        except TemplateError as error:
            return error.problems


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(HEADS), st.lists(st.sampled_from(ITEMS), min_size=1, max_size=5), st.integers(0, 2))
def test_in_pieces_as_a_whole(head: str, items: list[str], indent: int) -> None:
    text = head + "".join(" " * indent + line for item in items for line in item.splitlines(keepends=True))

    assert answer(text) == answer(text, whole=True)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_our_templates_in_pieces_as_a_whole(text: str) -> None:
    with nothing_kept(whole=True):
        expected = build(text)

    with nothing_kept():
        assert build(text) == expected


def test_tasks_of_one_text_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def parse(text: str, *more: Any) -> Parsed:
        read.append(text)
        return yamlload.parse(text, *more)

    monkeypatch.setattr(rows, "parse", parse)
    item = task("T", id="'t{{ i }}'", prompt="'{{ i }} of this'")

    built = build("tasks:\n{% for i in range(500) %}" + item + "{% endfor %}")

    assert [one.fields["prompt"] for one in built.tasks] == [f"{i} of this" for i in range(500)]
    assert len(read) == 2  # the head and one task


def test_what_is_kept_is_bounded_by_what_it_weighs() -> None:
    kept: Cache[str] = Cache(100)
    for number in range(10):
        kept.put(number, "x", 30)
    kept.put(7, "y", 90)
    kept.put("too heavy", "z", 101)

    assert (kept.weight, len(kept), kept.get(7), kept.get(9), kept.get("too heavy")) == (
        90,
        1,
        "y",
        None,
        None,
    )


@pytest.mark.parametrize(
    "text",
    [
        "tasks:\n" + task("A", count="5000"),
        "tasks:\n{% for i in range(500) %}" + task("A", id="'{{ i }}'", prompt="x{{ i }}") + "{% endfor %}",
        "tasks:\n" + "".join(task(f"T{i}", params=f"{{a: {i}, b: [x, y{i}]}}") for i in range(500)),
        "tasks:\n" + task("A", count="50") + "".join(task(f"B{i}", x_ids="A") for i in range(50)),
    ],
    ids=["copies", "loop", "literal", "edges"],
)
def test_what_is_kept_weighs_at_least_what_it_takes(text: str) -> None:
    kept: Cache[Any] = Cache(1 << 30)
    build(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("orchestrator.templates.generate"), "_SHAPES", kept)
        tracemalloc.start()
        build(text)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()

    assert taken < kept.weight < 10 * taken
