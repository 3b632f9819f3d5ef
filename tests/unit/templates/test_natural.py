"""The natural form: names instead of ids, `needs`, `count`, references."""

from orchestrator.templates import Limits, load_template
from tests.unit.templates.build import NOW, SCENARIO, build, by_key, codes, edges, one, problems, task, tasks
from workers_sdk.protocol.keys import short_uuid

VIDEO = """
name: CreateVideo
variables:
  PROMPT: a cat
  N_SLIDES: 3
tasks:
  - name: CreateText
    service: text-service
    prompt: "{{ PROMPT }}"
  - name: CreateVoice
    service: voice-service
    text_task_id: CreateText
{% for i in range(1, N_SLIDES + 1) %}
  - id: prompt_{{ i }}
    name: CreateSlidePrompt
    service: text-service
    needs: [CreateText]
    prompt: "Heading of slide {{ i }}"
  - id: slide_{{ i }}
    name: CreateSlide
    service: image-service
    slide_prompt_id: prompt_{{ i }}
{% endfor %}
  - name: CreateVideoFromSlides
    service: video-service
    slide_ids: CreateSlide
    voice_track_id: CreateVoice
"""


def test_three_slides_make_nine_tasks_and_the_right_graph() -> None:
    scenario = build(VIDEO)
    assert len(scenario.tasks) == 9
    assert [item.queue for item in scenario.tasks] == [0, 1, 1, 1, 1, 1, 1, 1, 4]
    assert ("slide_2", "CreateVideoFromSlides") in edges(scenario)
    assert ("prompt_2", "slide_2") in edges(scenario)
    assert not scenario.warnings


def test_ids_of_literal_names_are_those_of_short_uuid() -> None:
    found = by_key(build(VIDEO))
    assert found["slide_2"].id == short_uuid(SCENARIO, "slide_2")
    assert found["CreateText"].id == short_uuid(SCENARIO, "CreateText")


def test_short_uuid_and_literal_names_meet() -> None:
    text = tasks(
        task("A"),
        task("B", needs="\"{{ SHORT_UUID('A') }}\""),
        task("C", text_task_id="\"{{ SHORT_UUID('B') }}\""),
    )
    assert edges(build(text)) == {("A", "B"), ("B", "C")}


def test_count_makes_copies_with_an_index() -> None:
    scenario = build("variables: {N: 2}\n" + tasks(task("CreateVoice", count='"{{ N }}"', prompt="x")), N=3)
    assert [item.key for item in scenario.tasks] == ["CreateVoice_1", "CreateVoice_2", "CreateVoice_3"]
    assert [item.name for item in scenario.tasks] == ["CreateVoice"] * 3
    assert [item.fields for item in scenario.tasks] == [
        {"prompt": "x", "index": index} for index in (1, 2, 3)
    ]


def test_an_id_with_count_names_all_its_copies() -> None:
    text = tasks(
        task("A", id="a", count="2"), task("B", needs="a"), task("C", needs="a_2"), task("D", a_ids="a")
    )
    scenario = build(text)
    assert edges(scenario) == {("a_1", "B"), ("a_2", "B"), ("a_2", "C"), ("a_1", "D"), ("a_2", "D")}
    assert by_key(scenario)["D"].fields["a_ids"] == [by_key(scenario)["a_1"].id, by_key(scenario)["a_2"].id]


def test_count_zero_makes_none_and_nobody_waits() -> None:
    scenario = build(tasks(task("A", count="0"), task("B", needs="A")))
    assert [(item.key, item.queue) for item in scenario.tasks] == [("B", 0)]
    assert codes(tasks(task("A", count="0"))) == {"no_tasks"}


def test_tasks_of_one_name_are_numbered_through_the_document() -> None:
    scenario = build(tasks(task("A"), task("B"), task("A", count="2"), task("C", needs="A")))
    assert [item.key for item in scenario.tasks] == ["A_1", "B", "A_2", "A_3", "C"]
    assert [item.fields.get("index") for item in scenario.tasks] == [None, None, 1, 2, None]
    assert by_key(scenario)["C"].queue == 3


def test_a_local_id_wins_over_a_name() -> None:
    text = tasks(task("Step", id="First"), task("First", id="x"), task("B", needs="First"))
    assert edges(build(text)) == {("First", "B")}


def test_one_edge_said_three_ways_counts_once() -> None:
    text = tasks(task("A", consumers="[B]"), task("B", needs="[A]", text_task_id="A"))
    scenario = build(text)
    assert by_key(scenario)["B"].queue == 1
    assert len(by_key(scenario)["A"].consumers) == 1
    assert not scenario.warnings


def test_the_same_word_twice_in_one_list_is_a_warning() -> None:
    scenario = build(tasks(task("A", consumers="[B, B]"), task("B")))
    assert [warning.code for warning in scenario.warnings] == ["duplicate_edge"]
    assert by_key(scenario)["B"].queue == 1


def test_a_reference_is_a_dependency() -> None:
    scenario = build(tasks(task("A"), task("B", text_task_id="A"), task("C", source_ids="[A, elsewhere, B]")))
    found = by_key(scenario)
    assert edges(scenario) == {("A", "B"), ("A", "C"), ("B", "C")}
    assert found["C"].fields["source_ids"] == [found["A"].id, "elsewhere", found["B"].id]


def test_what_looks_like_no_task_stays_data() -> None:
    text = tasks(
        task(
            "A",
            voice_id="21m00Tcm4TlvDq8ikWAM",
            media_ids="[7, x]",
            client_id="5",
            run_id="null",
            text_task_id="null",
        )
    )
    assert build(text).tasks[0].fields == {
        "voice_id": "21m00Tcm4TlvDq8ikWAM", "media_ids": [7, "x"], "client_id": 5, "run_id": None, "text_task_id": None,
    }  # fmt: skip


def test_a_value_of_the_request_never_names_a_task() -> None:
    text = "variables: {MEDIA: none, MANY: []}\n" + tasks(
        task("A"),
        task(
            "B",
            media_id='"{{ MEDIA }}"',
            plain_id="{{ MEDIA }}",
            media_ids="{{ MANY }}",
            one_ids='["{{ MEDIA }}"]',
        ),
    )
    scenario = build(text, MEDIA="A", MANY=["A", "B"])
    assert by_key(scenario)["B"].fields == {
        "media_id": "A",
        "plain_id": "A",
        "media_ids": ["A", "B"],
        "one_ids": ["A"],
    }
    assert edges(scenario) == set()


def test_a_task_reference_must_name_a_task() -> None:
    problem = one(tasks(task("CreateText"), task("B", text_task_id="CreateTxt")))
    assert (problem.code, problem.path, problem.hint) == (
        "unknown_reference",
        "tasks[1].text_task_id",
        "did you mean 'CreateText'?",
    )
    value = one("variables: {T: A}\n" + tasks(task("A"), task("B", text_task_ids='["{{ T }}"]')), T="nothing")
    assert value.code == "unknown_reference"
    made = build(tasks(task("A"), task("B", voice_id="\"{{ SHORT_UUID('Typo') }}\"")))
    assert [warning.code for warning in made.warnings] == ["unknown_reference"]
    assert made.tasks[1].fields["voice_id"] == short_uuid(SCENARIO, "Typo")


def test_one_id_cannot_hold_many() -> None:
    problem = one(tasks(task("A", count="2"), task("B", slide_id="A")))
    assert (problem.code, problem.hint) == ("ambiguous_reference", "call the field slide_ids to get them all")


def test_a_list_of_short_uuids_made_by_an_expression_is_references() -> None:
    text = tasks(task("A"), task("B"), task("C", part_ids="{{ [SHORT_UUID('A'), SHORT_UUID('B')] }}"))
    scenario = build(text)
    assert edges(scenario) == {("A", "C"), ("B", "C")}
    assert by_key(scenario)["C"].fields["part_ids"] == [by_key(scenario)["A"].id, by_key(scenario)["B"].id]


def test_the_own_id_is_the_scenario_everywhere() -> None:
    text = "scenario_id: \"{{ SHORT_UUID('Me') }}\"\n" + tasks(
        task("A", scenario_id="\"{{ SHORT_UUID('Me') }}\"", prompt="\"in {{ SHORT_UUID('Me') }}\"")
    )
    assert build(text).tasks[0].fields == {"prompt": f"in {SCENARIO}"}
    assert build("scenario_id: me\n" + tasks(task("A", scenario_id="me"))).tasks[0].fields == {}
    assert (
        one(text.replace("scenario_id: \"{{ SHORT_UUID('Me') }}\"\n    p", "scenario_id: other\n    p")).code
        == "bad_scenario_id"
    )
    assert one(tasks(task("A", scenario_id="other"))).code == "bad_scenario_id"


def test_values_keep_their_types_when_they_stand_alone() -> None:
    text = "variables: {N: 1, ON: true, L: [], M: {}, F: 0.5, X: null}\n" + tasks(
        task(
            "A",
            params='{n: {{ N }}, on: {{ ON }}, l: {{ L }}, m: {{ M }}, f: {{ F }}, x: {{ X }}, q: "{{ N }}", t: "{{ ON }}/{{ X }}/{{ L }}"}',
        )
    )
    params = build(text, N=7, L=[1, "a"], M={"k": [None]}).tasks[0].fields["params"]
    assert params == {
        "n": 7,
        "on": True,
        "l": [1, "a"],
        "m": {"k": [None]},
        "f": 0.5,
        "x": None,
        "q": "7",
        "t": 'true/null/[1,"a"]',
    }


def test_now_is_one_moment() -> None:
    text = tasks(task("A", params='{a: "{{ now() }}", b: "{{ now() }}"}'))
    assert build(text).tasks[0].fields["params"] == {
        "a": "2025-06-26T10:34:12.349Z",
        "b": "2025-06-26T10:34:12.349Z",
    }
    assert NOW.microsecond == 349_000


def test_name_and_version_have_defaults() -> None:
    scenario = build(tasks(task("A")))
    assert (scenario.name, scenario.version) == ("T", "1.0.0")
    assert build("version: '2'\nname: N\n" + tasks(task("A"))).version == "2"


def test_a_plan_is_not_mixed_up_between_values_that_look_alike() -> None:
    text = "variables: {N: null}\n" + tasks(task("A", count="{{ N }}"))
    template = load_template(text)
    assert template.variables == {"N": None}
    assert len(build(text, N=1).tasks) == 1
    assert codes(text, N=True) == {"wrong_type"}
    assert codes(text, N=1.0) == {"wrong_type"}
    assert len(build(text, N="1").tasks) == 1
    assert len(build(text, N=3).tasks) == 3


def test_the_cached_plan_gets_new_values_and_ids() -> None:
    text = "variables: {P: ''}\n" + tasks(task("A", prompt='"{{ P }}"'), task("B", needs="A"))
    assert [build(text, P=value).tasks[0].fields["prompt"] for value in ("x", "y", "")] == ["x", "y", ""]


def test_limits_hold() -> None:
    assert codes(tasks(task("A", count="11")), limits=Limits(max_tasks=10)) == {"too_many_tasks"}
    many = tasks(task("A", count="200"), task("B", count="200", needs="A"))
    assert codes(many, limits=Limits(max_tasks=1_000)) == {"too_many_edges"}
    assert len(build(many).tasks) == 400
    copies = "variables: {P: ''}\n" + tasks(task("A", count="100", prompt='"{{ P }}"'))
    assert codes(copies, P="x" * 1_000, limits=Limits(max_output=50_000)) == {"output_too_large"}


def test_errors_of_many_kinds_are_told_together() -> None:
    text = tasks(
        task("A", needs="[Nothing]", consumers="[B]"),
        task("B", consumers="[A]", queue="yes"),
        task("C", needs="C"),
    )
    assert [problem.code for problem in problems(text)] == [
        "cycle",
        "unknown_need",
        "wrong_type",
        "self_edge",
    ]
