"""Values from results at run time: what the engine asks, and what it gets."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.templates.runtime import (
    MAX_ITEMS,
    CannotResolve,
    Known,
    child_of,
    gate_of,
    items,
    passes,
    resolved,
    variables_of,
    wanted,
)
from tests.unit.templates.build import build, by_key, task, tasks
from tests.unit.templates.test_injection import JSON

GOOD = Known("success", {"a": {"b": [1, None]}, "t": "x"}, "file:///x")
FAILED = Known("failed", None, "")


def bound(source: dict[str, Any], *path: Any) -> dict[str, Any]:
    return {"set": [{"path": ["fields", *(path or ("x",))], "value": source}]}


def of(*ids: str, **more: Any) -> dict[str, Any]:
    """A source: the result of these tasks."""
    return {
        "of": "result",
        "word": "A",
        "ids": list(ids),
        **({"many": True} if len(ids) != 1 else {}),
        **more,
    }


def value(source: dict[str, Any], known: dict[str, Known], **child: Any) -> Any:
    return resolved(bound(source), known, {"x": None}, **child)["x"]


def refused(source: dict[str, Any], known: dict[str, Known]) -> tuple[str, str]:
    with pytest.raises(CannotResolve) as caught:
        value(source, known)
    return caught.value.code, caught.value.message


def test_the_engine_reads_each_task_once() -> None:
    on_ready = {
        "set": [
            {"path": ["fields", "x"], "text": ["a", of("1", "2"), of("1")]},
            {"path": ["gate", "draft"], "value": of("3")},
            {"path": ["fields", "y"], "value": {"of": "item"}},
        ],
        "when": {
            "test": ["const", True],
            "takes": [of("2"), {"of": "status", "word": "B", "ids": ["4"]}],
            "variables": {},
        },
    }
    assert wanted(on_ready) == ["1", "2", "3", "4"]
    assert wanted({"gate": {}}) == []


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ([], GOOD.result),
        (["a"], {"b": [1, None]}),
        (["a", "b", 0], 1),
        (["a", "b", 1], None),
        (["a", "b", -2], 1),
        (["t"], "x"),
    ],
)
def test_the_way_into_a_result(path: list[Any], found: Any) -> None:
    assert value(of("1", path=path), {"1": GOOD}) == found


@pytest.mark.parametrize(
    "path", [["b"], ["a", "b", 2], ["a", 0], ["t", 0], ["a", "b", "0"], ["a", "b", 1, "c"]]
)
def test_a_part_that_is_not_there_is_told_with_its_name_unless_there_is_a_default(path: list[Any]) -> None:
    code, message = refused(of("1", path=path), {"1": GOOD})
    assert code == "no_result"
    assert message.startswith("result('A')")
    assert message.endswith("is not in the result")
    assert value(of("1", path=path, default=[5]), {"1": GOOD}) == [5]


def test_a_default_takes_the_place_of_null_only_when_asked_to() -> None:
    source = of("1", path=["a", "b", 1], default=5)
    assert value(source, {"1": GOOD}) is None
    assert value({**source, "or_empty": True}, {"1": GOOD}) == 5


def test_a_task_that_did_not_succeed_has_no_result() -> None:
    assert refused(of("1"), {"1": FAILED}) == (
        "no_result",
        "result('A'): the task is failed, so it has no result",
    )
    assert "is gone" in refused(of("1"), {})[1]
    assert value(of("1", default=None), {"1": FAILED}) is None


def test_null_is_a_result() -> None:
    assert value(of("1"), {"1": Known("success", None, "")}) is None
    code, message = refused(of("1", path=["a"]), {"1": Known("success", None, "s3://b/x")})
    assert code == "no_result"
    assert "result_ref('A')" in message


def test_references_and_statuses() -> None:
    known = {"1": GOOD, "2": FAILED}
    assert value({"of": "result_ref", "word": "A", "ids": ["1"]}, known) == "file:///x"
    assert value({"of": "status", "word": "A", "ids": ["1", "2"], "many": True}, known) == [
        "success",
        "failed",
    ]
    assert (
        refused({"of": "result_ref", "word": "A", "ids": ["1"]}, {"1": Known("success", 1, "")})[0]
        == "no_result"
    )


def test_of_several_a_list_in_their_order_with_the_same_part_of_each() -> None:
    known = {"1": GOOD, "2": Known("success", {"t": "y"}, "")}
    assert value(of("2", "1", path=["t"]), known) == ["y", "x"]
    assert value(of("2", "1", path=[1, "a", "b", 0]), known) == 1
    assert value(of(), known) == []
    assert value({**of("1"), "of": "results", "many": True}, known) == [GOOD.result]
    assert refused(of("1", "2", path=["a"]), known)[0] == "no_result"
    assert refused(of("1", "2", path=[2]), known)[0] == "no_result"
    assert value(of("1", "2", path=["a", "b", 0], default="-"), known) == [1, "-"]


def test_of_several_null_stands_for_one_that_did_not_succeed() -> None:
    known = {"1": GOOD, "2": FAILED}
    assert value(of("1", "2", path=["t"]), known) == ["x", None]
    assert value(of("1", "2", path=["t"], default=""), known) == ["x", ""]


def test_texts_take_values_as_json_and_texts_as_they_are() -> None:
    on_ready = {
        "set": [
            {
                "path": ["fields", "x"],
                "text": ["<", of("1"), "|", of("1", path=["t"]), "|", of("1", path=["a"]), ">"],
            }
        ]
    }
    known = {"1": Known("success", {"t": "é\n{{ x }}", "a": True}, "")}
    assert resolved(on_ready, known, {"x": None})["x"] == '<{"t":"é\\n{{ x }}","a":true}|é\n{{ x }}|true>'


def test_only_what_changed_is_given_and_nothing_given_is_changed() -> None:
    fields = {"params": {"a": [1, None, {"b": 2}], "c": {"d": None}}, "other": "x"}
    before = copy.deepcopy(fields)
    on_ready = {
        "set": [
            {"path": ["fields", "params", "a", 1], "value": of("1", path=["t"])},
            {"path": ["fields", "params", "c", "d"], "value": of("1")},
        ]
    }
    changed = resolved(on_ready, {"1": GOOD}, fields)

    assert changed == {"params": {"a": [1, "x", {"b": 2}], "c": {"d": GOOD.result}}}
    assert fields == before
    assert resolved({}, {}, fields) == {}


def test_params_stay_a_mapping() -> None:
    on_ready = bound(of("1"), "params")
    assert resolved(on_ready, {"1": GOOD}, {"params": None}) == {"params": GOOD.result}
    for wrong in (None, 5, [1], "x"):
        with pytest.raises(CannotResolve) as caught:
            resolved(on_ready, {"1": Known("success", wrong, "")}, {"params": None})
        assert caught.value.code == "wrong_type"


def test_too_much_or_too_deep_for_one_task_is_told() -> None:
    deep: Any = 1
    for _ in range(250):
        deep = [deep]
    assert refused(of("1", "1", path=[0]), {"1": Known("success", "x" * 5_000_000, "")})[0] == "too_large"
    with pytest.raises(CannotResolve) as caught:
        resolved(bound(of("1"), *"abcdefgh"), {"1": Known("success", deep, "")}, {})
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({"a": 1}, "wrong_type"),
        ("abc", "wrong_type"),
        (None, "wrong_type"),
        ([0] * (MAX_ITEMS + 1), "too_many_items"),
    ],
)
def test_foreach_goes_over_lists_of_a_sane_length(found: Any, code: str) -> None:
    on_ready = {"foreach": {"items": None}, "set": [{"path": ["foreach"], "value": of("1")}]}
    assert items(on_ready, {"1": Known("success", [1, None], "")}) == [1, None]
    with pytest.raises(CannotResolve) as caught:
        items(on_ready, {"1": Known("success", found, "")})
    assert caught.value.code == code


def test_an_item_may_be_null() -> None:
    assert value({"of": "item"}, {}, item=None, index=1) is None
    assert value({"of": "item", "path": ["a"], "default": 3}, {}, item=None, index=1) == 3
    assert value({"of": "index"}, {}, item=None, index=4) == 4
    assert refused({"of": "item"}, {})[0] == "no_result"


def test_a_child_has_everything_put_in() -> None:
    text = tasks(
        task("A"),
        "  - name: G\n    needs: [A]\n    foreach: [x, y]\n    when: \"item == 'y'\"\n"
        "    gate: {title: \"{{ item }} {{ index }}\", draft: {{ result('A') }}}\n    note: {{ item }}\n",
        "  - name: S\n    needs: [G]\n    foreach: [x]\n    scenario: O\n    variables: {V: {{ item }}}\n",
        task("P", needs="[A]", foreach="[1]", x="{{ item }}"),
    )
    scenario = by_key(build(text))
    known = {scenario["A"].id: Known("success", 7, "")}
    gate, sub, plain = (scenario[key].on_ready or {} for key in "GSP")

    assert child_of(gate, known, "y", 2) == {"gate": {"title": "y 2", "draft": 7}}
    assert child_of(sub, known, "x", 1) == {"scenario": {"name": "O", "variables": {"V": "x"}}}
    assert child_of(plain, known, 1, 1) is None
    assert resolved(gate, known, scenario["G"].fields, item="y", index=2) == {"note": "y"}


def test_what_a_gate_and_a_scenario_take_is_a_mapping() -> None:
    on_ready = {
        "gate": {},
        "scenario": {"name": "O", "variables": None},
        "set": [{"path": ["variables"], "value": of("1")}],
    }
    assert gate_of(on_ready, {}) == {}
    assert variables_of(on_ready, {"1": GOOD}) == GOOD.result
    with pytest.raises(CannotResolve):
        variables_of(on_ready, {"1": Known("success", [1], "")})


STEPS = st.lists(st.one_of(st.integers(-3, 3), st.sampled_from(["a", "b", "t", ""])), max_size=3)
STATUSES = st.sampled_from(["success", "failed", "skipped", "cancelled", "pending", "processing"])
SOURCES = st.builds(
    lambda of_, ids, path, default: {
        "of": of_, "word": "A", "ids": ids, "path": path, **({"many": True} if len(ids) != 1 else {}), **default,
    },
    st.sampled_from(["result", "results", "result_ref", "status", "item", "index"]),
    st.lists(st.sampled_from(["1", "2", "3"]), max_size=3),
    STEPS,
    st.one_of(st.just({}), st.builds(lambda one: {"default": one, "or_empty": True}, JSON)),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    sources=st.lists(SOURCES, min_size=1, max_size=3),
    results=st.lists(st.tuples(STATUSES, JSON), min_size=2, max_size=2),
    item=JSON,
    index=st.one_of(st.none(), st.integers(1, 3)),
)
def test_any_results_give_values_or_cannot_resolve(
    sources: list[dict[str, Any]], results: list[tuple[str, Any]], item: Any, index: int | None
) -> None:
    known = {str(number): Known(status, result, "") for number, (status, result) in enumerate(results, 1)}
    on_ready: dict[str, Any] = {
        "set": [
            {"path": ["fields", "x"], "text": ["<", *sources]},
            {"path": ["fields", "y"], "value": sources[0]},
        ],
        "when": {"test": ["take", 0], "takes": sources, "variables": {}},
    }
    assert isinstance(passes(on_ready, known, item=item, index=index), bool)
    try:
        changed = resolved(on_ready, known, {"x": None, "y": None}, item=item, index=index)
    except CannotResolve as error:
        assert error.code == "no_result"
    else:
        assert changed["x"].startswith("<")


@pytest.mark.parametrize(
    "result", [{"inline": False, "artifact": {"uri": "file:///x"}}, {"inline": False, "task_ids": ["1"]}]
)
def test_a_result_that_lies_elsewhere_is_told_and_not_taken_for_one(result: dict[str, Any]) -> None:
    """A condition on it was false without a word."""
    assert refused(of("1", path=["a"]), {"1": Known("success", result, "file:///x")})[0] == "too_large"
    assert value({**of("1"), "of": "result_ref"}, {"1": Known("success", result, "file:///x")}) == "file:///x"
