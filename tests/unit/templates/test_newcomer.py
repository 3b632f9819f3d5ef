"""What somebody new to the format gets wrong is told in words that help."""

from pathlib import Path

import pytest

from orchestrator.templates import Registry, TemplateError, generate
from orchestrator.templates.spelling import MAX_SEARCHES, Spelling, field_meant
from tests.unit.templates.build import NOW, SCENARIO, build, one, problems, task, tasks

ROOT = Path(__file__).parents[3]
GOOD = tasks(task("A"))


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"draw_ids": "Darw"}, "did you mean 'Draw'?"),
        ({"draw_ids": "[Draw, Drawn]"}, "did you mean 'Draw'?"),
        ({"draw_id": "draw"}, "did you mean 'Draw'?"),
        ({"text_id": "CreatText"}, "did you mean 'CreateText'?"),
        ({"part_id": "Part.{{ 1 + 2 }}"}, "did you mean 'Part.1'?"),
        ({"part_id": "Prat.{{ 1 + 1 }}"}, "did you mean 'Part.2'?"),
    ],
)
def test_a_misspelt_reference_is_a_warning(fields: dict[str, str], hint: str) -> None:
    parts = [task("P", id=f"Part.{number}") for number in (1, 2)]
    text = tasks(task("Draw"), task("CreateText"), *parts, task("Use", **fields))
    (warning,) = build(text).warnings
    assert (warning.code, warning.severity, warning.line) == ("unknown_reference", "warning", 14)
    assert warning.hint.startswith(hint)
    assert one(text, strict=True).severity == "error"


@pytest.mark.parametrize(
    "written", ["21m00Tcm4TlvDq8ikWAM", "alloy", "draw_ing.png", "5", "null", "dr", "\"{{ 'Darw' }}\""]
)
def test_data_in_a_field_that_may_name_tasks_is_no_warning(written: str) -> None:
    assert not build(tasks(task("Draw"), task("Use", media_id=written, media_ids=f"[{written}]"))).warnings


def test_a_value_of_the_request_is_data_even_if_it_looks_like_a_task() -> None:
    text = "variables: {X: a}\n" + tasks(
        task("Draw"), task("Use", draw_id='"{{ X }}"', draw_ids='["{{ X }}"]')
    )
    assert not build(text, X="Darw").warnings


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("promt", "prompt"), ("need", "needs"), ("Needs", "needs"), ("consumer", "consumers"), ("param", "params"),
        ("prams", "params"), ("counts", "count"), ("queu", "queue"), ("ID", "id"), ("servcie", "service"), ("nmae", "name"),
        ("timout", "timeout"), ("Finally", "finally"), ("compensate", "compensates"), ("for_each", "foreach"),
        ("continue_on_error", "optional"), ("trigger_rule", "join"),
    ],
)  # fmt: skip
def test_a_misspelt_field_is_known(written: str, meant: str) -> None:
    assert field_meant(written) == meant


@pytest.mark.parametrize(
    "field",
    ["needs", "id", "ids", "idx", "index", "country", "counter", "comment", "amount", "account", "seeds", "notes", "frame", "voice",
     "query", "quote", "props", "parts", "pages", "title", "total", "text", "style", "model", "prompt_id", "slide_ids",
     "options", "game", "timer", "timeout", "final", "format", "prior"],
)  # fmt: skip
def test_a_field_of_ones_own_is_not_taken_for_a_misspelt_one(field: str) -> None:
    assert field_meant(field) == ""


@pytest.mark.parametrize(
    "word", ["depends_on", "dependsOn", "dependencies", "after", "upstream", "requires", "wait_for"]
)
def test_the_word_of_another_system_for_an_edge_is_a_warning(word: str) -> None:
    (warning,) = build(tasks(task("A"), task("B", **{word: "[A]"}))).warnings

    assert (warning.code, warning.path, warning.hint) == (
        "unknown_field",
        f"tasks[1].{word}",
        "did you mean 'needs'?",
    )
    assert not build(tasks(task("A"), task("B", needs="[A]", **{word: "[A]"}))).warnings


def test_a_misspelt_field_is_a_warning_and_strictly_an_error() -> None:
    text = tasks(task("A"), task("B", need="[A]", promt="hello"))
    warnings = build(text).warnings
    assert [(problem.code, problem.line, problem.path, problem.hint) for problem in warnings] == [
        ("unknown_field", 6, "tasks[1].need", "did you mean 'needs'?"),
        ("unknown_field", 7, "tasks[1].promt", "did you mean 'prompt'?"),
    ]
    assert {problem.severity for problem in problems(text, strict=True)} == {"error"}
    assert not build(tasks(task("A", prompt="x", prompts="[a]", names="[a]"))).warnings


@pytest.mark.parametrize(
    "folder", ["scenarios/create_video/templates", "docs/examples/hello", "tests/benchmarks/templates"]
)
def test_our_own_templates_have_no_warning(folder: str) -> None:
    for template in Registry([ROOT / folder]).all():
        small = {"N": 4} if "N" in template.variables else {}
        assert not generate(template, scenario_id=SCENARIO, variables=small, now=NOW, strict=True).warnings


def test_many_misspelt_words_are_looked_up_only_so_often() -> None:
    spelling = Spelling([f"Draw{'x' * length}" for length in range(5)])
    assert spelling.closest("Drwa") == "Draw"
    letters = [f"Drwa{letter}" for letter in "abcdefghijklmnopqrstuvwyzäöüßéèà"]
    assert [bool(spelling.closest(word)) for word in letters].count(True) == MAX_SEARCHES - 1
    assert spelling.closest("Drwa") == "Draw"
    numbered = Spelling([f"Slide.{number}" for number in range(5_000)])
    assert {numbered.closest(f"Slied.{number}") for number in range(4_000, 5_000)} == {
        f"Slide.{number}" for number in range(4_000, 5_000)
    }


def test_an_unknown_variable_hides_no_other_mistake() -> None:
    text = (
        "variables: {N: 2}\ntasks:\n{% for i in range(N) %}\n  - name: A\n    service: Bad One\n    prompt: \"{{ X }}\"\n"
        "{% endfor %}\n  - name: B\n    params: {{ Y }}\n    needs: [Aa]\n    count: -1\n"
    )  # fmt: skip
    assert [(problem.code, problem.line) for problem in problems(text)] == [
        ("bad_service", 5), ("unknown_variable", 6), ("missing_field", 8), ("unknown_variable", 9), ("unknown_need", 10),
        ("wrong_type", 11),
    ]  # fmt: skip


def test_unknown_variables_are_told_with_unknown_filters() -> None:
    found = problems(
        tasks(task("A", prompt='"{{ X | nope }} {{ 1 is nope }}"'), task("B", prompt='"{{ Y }}"'))
    )
    assert [problem.code for problem in found] == [
        "unknown_filter",
        "unknown_test",
        "unknown_variable",
        "unknown_variable",
    ]


@pytest.mark.parametrize(
    "text",
    [
        tasks(task("{{ X }}"), task("B", needs="[Real]")),
        tasks(task("A", id="a_{{ X }}"), task("B", needs="[a_1]")),
        tasks(task("A", count="{{ X }}", params="{{ X }}", consumers="{{ X }}")),
        "tasks:\n{% for i in X %}\n  - {name: A, service: s}\n{% endfor %}\n",
        "{% set y %}{{ X }}{% endset %}\n" + tasks(task("A", params="{{ y }}")),
        "variables: {L: []}\ntasks:\n{% for i in L %}\n  - {name: A, service: s}\n{% endfor %}\n# {{ X }}\n",
        "variables: {L: null}\n" + tasks(task("A", params="{{ L }}", prompt='"{{ L.x }}"')) + "# {{ X }}\n",
    ],
)  # fmt: skip
def test_what_only_the_unknown_value_decides_is_not_told(text: str) -> None:
    assert {problem.code for problem in problems(text)} == {"unknown_variable"}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (tasks(task("A", consumers="5")), "`consumers` is a list, not 5", "write a list of task names: [A, B]"),
        (tasks(task("A", needs="{{ N }}")), "`needs` is a list, not 5", "write a list of task names: [A, B]"),
        (tasks(task("A", needs="[5]")), "an item of `needs` is a text, not 5", 'put it in quotes: "5"'),
        (tasks(task("A", prompt="{{ N }}")), "`prompt` is a text, not 5", 'put it in quotes: "{{ N }}"'),
        (tasks(task("A", prompt="1.50 # dear")), "`prompt` is a text, not 1.5", 'put it in quotes: "1.50"'),
        ("version: 1.0\n" + GOOD, "`version` is a text, not 1.0", 'put it in quotes: "1.0"'),
        (tasks(task("A", prompt="{% if 1 %}{{ N }}{% endif %}")), "`prompt` is a text, not 5", "put it in quotes"),
        (tasks(task("A", prompt="[a]")), "`prompt` is a text, not ['a']", ""),
        (tasks(task("A", params='"{{ N }}"')), "`params` is a mapping, not a text",
         "write `key: value` lines; a mapping in `{{ }}` keeps its type without quotes"),
        ("tasks: {A: 1}\n", "`tasks` is a list, not {'A': 1}", "start every task with `- `"),
        ("tasks: [A]\n", "an item of `tasks` is a mapping, not a text",
         "write `key: value` lines; a mapping in `{{ }}` keeps its type without quotes"),
        (tasks(task("A", count="three")), "`count` is a whole number, not 'three'", ""),
    ],
)  # fmt: skip
def test_a_wrong_type_says_what_to_write(text: str, message: str, hint: str) -> None:
    problem = one(text if text.startswith("v") else "variables: {N: 5}\n" + text)
    assert (problem.code, problem.message, problem.hint) == ("wrong_type", message, hint)


@pytest.mark.parametrize("opened", ['"hello\n', "'hello\n", '"{{ N }}\n    needs: [A]\n', "'x\n---\n"])
def test_a_quote_that_is_not_closed_is_told_where_it_opens(opened: str) -> None:
    problem = one("variables: {N: 5}\n" + tasks(task("A"), task("B", prompt=opened)))
    assert (problem.code, problem.line, problem.column) == ("yaml_syntax", 7, 13)
    assert problem.message == "the quote that opens here is not closed"


def test_a_quote_that_the_next_one_closes_is_hinted_at() -> None:
    problem = one(tasks(task("A", prompt='"a', params='"b"')))
    assert problem.hint == "an indent is off, or a quote above is not closed"


def test_a_file_is_named_as_its_folder_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "docs" / "examples" / "hello"
    folder.mkdir(parents=True)
    (folder / "hello.yml").write_text(GOOD + "# {{ X }}\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    for given in (Path("docs/examples/hello"), folder):
        with pytest.raises(TemplateError) as caught:
            Registry([given])
        assert caught.value.problems[0].file == (given / "hello.yml").as_posix()
