"""Times, priorities, limits, gates and sub-scenarios of a task: what they come to in `rules` and `on_ready`."""

from typing import Any

import pytest

from orchestrator.templates import TaskSpec
from tests.unit.templates.build import build, one, problems, task, tasks


def only(text: str, **variables: Any) -> TaskSpec:
    """The only task; none of its fields travels to the worker."""
    [spec] = build(text, **variables).tasks
    assert spec.fields == {}
    return spec


def test_a_plain_task_has_no_rules() -> None:
    spec = only(tasks(task("A")))
    assert spec.rules is None
    assert spec.on_ready is None


def test_words_without_a_value_say_nothing() -> None:
    fields = dict.fromkeys(
        ("retry", "timeout", "timeouts", "join", "priority", "concurrency", "rate", "delay", "run_at", "gate", "scenario",
         "compensates", "when"),
        "null",
    )  # fmt: skip
    spec = only(tasks(task("A", optional="false", **{"finally": "false"}, **fields)))
    assert (spec.rules, spec.on_ready) == (None, None)


@pytest.mark.parametrize(
    ("fields", "timeouts"),
    [
        ({"timeout": "30s"}, {"run_ms": 30_000}),
        ({"timeouts": "{queue: 5m, run: 30s, total: 1h, heartbeat: 20s}"},
         {"queue_ms": 300_000, "run_ms": 30_000, "total_ms": 3_600_000, "heartbeat_ms": 20_000}),
        ({"timeout": "1.5", "timeouts": "{total: 7d}"}, {"total_ms": 604_800_000, "run_ms": 1_500}),
    ],
)  # fmt: skip
def test_timeouts_are_milliseconds(fields: dict[str, str], timeouts: dict[str, int]) -> None:
    assert only(tasks(task("A", **fields))).rules == {"timeouts": timeouts}


@pytest.mark.parametrize(
    ("field", "value", "on_ready"),
    [
        ("delay", "5m", {"delay_ms": 300_000}),
        ("run_at", "2026-01-01T10:00:00Z", {"at_ms": 1_767_261_600_000}),
        ("run_at", "2026-01-01T10:00:00", {"at_ms": 1_767_261_600_000}),
        ("run_at", "2026-01-01T12:00:00.5+02:00", {"at_ms": 1_767_261_600_500}),
    ],
)
def test_a_task_that_starts_later_is_asked_about(field: str, value: str, on_ready: dict[str, int]) -> None:
    spec = only(tasks(task("A", **{field: value})))
    assert (spec.rules, spec.on_ready) == ({"ask": True}, on_ready)


def test_a_delay_of_nothing_is_none() -> None:
    assert only(tasks(task("A", delay="0"))).on_ready is None


@pytest.mark.parametrize(
    ("fields", "flow"),
    [
        ({"priority": "0"}, {"priority": 0}),
        ({"concurrency": "3"}, {"key": "s", "max": 3}),
        ({"concurrency": "{key: k, max: 3}"}, {"key": "k", "max": 3}),
        ({"concurrency": "{key: 7, max: 3}"}, {"key": "7", "max": 3}),
        ({"rate": "{count: 10, per: 1m}"}, {"key": "s", "rate": {"count": 10, "per_ms": 60_000, "burst": 1}}),
        ({"rate": "10/min"}, {"key": "s", "rate": {"count": 10, "per_ms": 60_000, "burst": 1}}),
        ({"rate": "10/30s burst 5"}, {"key": "s", "rate": {"count": 10, "per_ms": 30_000, "burst": 5}}),
        ({"rate": "{count: 10, per: 1m, burst: 5, key: k}", "concurrency": "2", "priority": "4"},
         {"priority": 4, "key": "k", "max": 2, "rate": {"count": 10, "per_ms": 60_000, "burst": 5}}),
    ],
)  # fmt: skip
def test_what_goes_first_and_how_many(fields: dict[str, str], flow: dict[str, Any]) -> None:
    assert only(tasks(task("A", **fields))).rules == {"flow": flow}


def test_priority_2_is_the_default() -> None:
    assert only(tasks(task("A", priority="2"))).rules is None


def test_values_of_a_request_fill_terms_without_a_new_plan() -> None:
    text = "variables: {USER: bob, N: 3, AT: 2026-01-01T00:00:00Z, P: 1}\n" + tasks(
        task(
            "A",
            concurrency='{key: "user-{{ USER }}", max: "{{ N }}"}',
            run_at='"{{ AT }}"',
            priority='"{{ P }}"',
        )
    )
    bob, eve = only(text), only(text, USER="eve", N=5, AT="2027-01-01T00:00:00Z", P=2)

    assert bob.rules == {"flow": {"priority": 1, "key": "user-bob", "max": 3}, "ask": True}
    assert eve.rules == {"flow": {"key": "user-eve", "max": 5}, "ask": True}
    assert (bob.on_ready, eve.on_ready) == ({"at_ms": 1_767_225_600_000}, {"at_ms": 1_798_761_600_000})


def test_a_value_that_does_not_fit_is_told_with_its_line_also_when_the_plan_is_known() -> None:
    text = "variables: {P: 1, K: a}\n" + tasks(
        task(
            "A",
            priority='"{{ P }}"',
            concurrency='{key: "{{ K }}", max: 1}',
            rate="{count: 1, per: 1s, key: a}",
        ),
    )
    build(text)
    wrong = one(text, P=9)
    assert (wrong.code, wrong.line, wrong.path) == ("wrong_type", 5, "tasks[0].priority")
    assert one(text, K="b").code == "conflicting_fields"
    assert build(text, P=3).tasks[0].rules


def test_copies_and_turns_of_a_loop_have_their_own_values() -> None:
    text = """
variables: {N: 3}
tasks:
{% for i in range(N) %}
  - {id: "a{{ i }}", name: A, service: s, concurrency: {key: "k{{ i }}", max: 1}}
{% endfor %}
  - {name: B, service: s, count: 2, delay: "{{ N }}"}
"""
    for n in (3, 5):
        built = build(text, N=n).tasks
        keys = [spec.rules["flow"]["key"] for spec in built[:-2] if spec.rules]
        assert keys == [f"k{i}" for i in range(n)]
        assert [spec.on_ready for spec in built[-2:]] == [{"delay_ms": n * 1_000}] * 2


def gate(content: str, **more: str) -> str:
    """A template of one gate."""
    fields = "".join(f"    {name}: {value}\n" for name, value in more.items())
    return f"variables: {{T: a, D: {{x: 1}}}}\ntasks:\n  - name: A\n    gate: {content}\n{fields}"


def test_a_gate_belongs_to_the_orchestrator_and_carries_what_it_was_given() -> None:
    content = (
        '{title: "Is {{ T }} fine?", form: {type: object}, draft: {{ D }}, who: bob, quorum: 2, self_approval: false,'
        " deadline: 7d, default: {decision: approve}, on_reject: continue}"
    )
    spec = only(gate(content), T="it", D={"y": [2]})
    assert spec.service == "orchestrator"
    assert spec.rules == {"ask": True}
    assert spec.on_ready == {
        "gate": {
            "title": "Is it fine?",
            "form": {"type": "object"},
            "draft": {"y": [2]},
            "who": ["bob"],
            "quorum": 2,
            "self_approval": False,
            "deadline_ms": 604_800_000,
            "default": {"decision": "approve"},
            "on_reject": "continue",
        }
    }


def test_a_gate_may_be_empty() -> None:
    assert only(gate("{}")).on_ready == {"gate": {}}


def test_a_scenario_in_a_scenario() -> None:
    text = 'variables: {X: a, NAME: Other}\ntasks:\n  - {name: A, scenario: "{{ NAME }}", variables: {TEXT: "{{ X }}"}}\n'
    spec = only(text, X="b")
    assert (spec.service, spec.rules) == ("orchestrator", {"ask": True})
    assert spec.on_ready == {"scenario": {"name": "Other", "variables": {"TEXT": "b"}}}
    assert only("tasks: [{name: A, scenario: S}]").on_ready == {"scenario": {"name": "S", "variables": {}}}


@pytest.mark.parametrize(
    ("fields", "path", "says"),
    [
        ({"timeout": "0"}, "timeout", "longer than 0"),
        ({"timeouts": "{rnu: 1s}"}, "timeouts.rnu", "did you mean 'run'?"),
        ({"timeouts": "5s"}, "timeouts", "a mapping"),
        ({"timeout": "1s", "timeouts": "{run: 2s}"}, "timeout", "`timeouts.run`"),
        ({"delay": "soon"}, "delay", "500ms"),
        ({"delay": "1s", "run_at": "2026-01-01T10:00:00Z"}, "run_at", "do not go together"),
        ({"run_at": "tomorrow"}, "run_at", "2026-01-01T10:00:00Z"),
        ({"run_at": "5"}, "run_at", "2026-01-01T10:00:00Z"),
        ({"run_at": "1969-01-01T10:00:00Z"}, "run_at", "2026-01-01T10:00:00Z"),
        ({"priority": "5"}, "priority", "less than or equal to 4"),
        ({"concurrency": "0"}, "concurrency.max", "greater than or equal to 1"),
        ({"concurrency": "{key: a}"}, "concurrency.max", "'max' is missing"),
        ({"rate": "{count: 1}"}, "rate.per", "'per' is missing"),
        ({"rate": "{count: 1, per: 1s, bust: 2}"}, "rate.bust", "did you mean 'burst'?"),
        ({"rate": "{count: 1, per: 1s, key: a}", "concurrency": "{max: 1, key: b}"}, "rate", "different keys"),
        ({"service": "orchestrator"}, "service", "the engine's own"),
        ({"variables": "{A: 1}"}, "variables", "`scenario`"),
        ({"gate": "{}"}, "service", "no `service`"),
    ],
)  # fmt: skip
def test_a_wrong_term_is_named_with_its_line(fields: dict[str, str], path: str, says: str) -> None:
    text = (
        tasks(task("A", **fields)) if "service" not in fields else "tasks: [{name: A, service: orchestrator}]"
    )
    problem = one(text)
    assert problem.path == f"tasks[0].{path}"
    assert says in f"{problem.message} {problem.hint}"
    assert problem.line


@pytest.mark.parametrize(
    ("content", "more", "path", "says"),
    [
        ("{titel: a}", {}, "gate.titel", "did you mean 'title'?"),
        ("{quorum: 0}", {}, "gate.quorum", "greater than"),
        ("{form: text}", {}, "gate.form", "a mapping"),
        ("{deadline: later}", {}, "gate.deadline", "500ms"),
        ("{default: {decision: approve}}", {}, "gate.default", "`deadline`, which is missing"),
        ("{default: {decision: perhaps}, deadline: 1d}", {}, "gate.default.decision", "approve"),
        ("yes", {}, "gate", "a mapping"),
        ("{}", {"retry": "3"}, "retry", "no worker"),
        ("{}", {"priority": "3"}, "priority", "no worker"),
        ("{}", {"scenario": "B"}, "scenario", "do not go together"),
    ],
)
def test_a_wrong_gate_is_named_with_its_line(
    content: str, more: dict[str, str], path: str, says: str
) -> None:
    problem = one(gate(content, **more))
    assert problem.path == f"tasks[0].{path}"
    assert says in f"{problem.message} {problem.hint}"
    assert problem.line == (5 if more else 4)


def test_a_task_without_a_service_is_told() -> None:
    assert one("tasks: [{name: A}]").message == "'service' is missing"


DEFAULTS = """
variables: {USER: bob, N: 2}
services:
  web:
    retry: "{{ N }}"
    timeout: 30s
    priority: 1
    concurrency: {key: "user-{{ USER }}", max: 3}
tasks:
  - {name: A, service: web}
  - {name: B, service: web, priority: 2, retry: null, timeouts: {total: 1h}, concurrency: 9}
  - {name: C, service: text}
"""


def test_a_service_has_defaults_and_a_task_its_own_word() -> None:
    first, second, third = build(DEFAULTS, USER="eve").tasks
    assert first.policy is not None and first.policy["max_attempts"] == 2
    assert first.rules == {
        "timeouts": {"run_ms": 30_000},
        "flow": {"priority": 1, "key": "user-eve", "max": 3},
    }
    assert second.policy is None
    assert second.rules == {"timeouts": {"total_ms": 3_600_000}, "flow": {"key": "web", "max": 9}}
    assert (third.policy, third.rules) == (None, None)
    [again, *_] = build(DEFAULTS, USER="amy", N=5).tasks
    assert again.policy is not None and again.policy["max_attempts"] == 5
    assert again.rules is not None and again.rules["flow"]["key"] == "user-amy"


def test_a_service_that_no_task_has_is_a_warning() -> None:
    [warning] = build("services: {wbe: {retry: 3}}\ntasks: [{name: A, service: web}]").warnings
    assert (warning.code, warning.line, warning.hint) == ("unknown_service", 1, "did you mean 'web'?")


@pytest.mark.parametrize(
    ("services", "path", "says"),
    [
        ("{s: {retries: 3}}", "services.s.retries", "'retries' is not a field of a service (did you mean 'retry'?)"),
        ("{s: {retry: {delai: 1s}}}", "services.s.retry.delai", "'delai' is not a field of `retry`"),
        ("{s: {priority: 9}}", "services.s.priority", "less than or equal to 4"),
        ("{s: 3}", "services.s", "a mapping"),
        ("[s]", "services", "a mapping"),
        ("{orchestrator: {}}", "services.orchestrator", "the engine's own"),
    ],
)  # fmt: skip
def test_a_wrong_default_is_named_with_its_line(services: str, path: str, says: str) -> None:
    found = problems(f"services: {services}\n" + tasks(task("A")))
    assert [(problem.path, problem.line) for problem in found] == [(path, 1)]
    assert says in f"{found[0].message} ({found[0].hint})"
