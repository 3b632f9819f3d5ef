"""The seed's template, verbatim."""

from pathlib import Path

import pytest

from orchestrator.templates import GeneratedScenario
from tests.unit.templates.build import NOW, SCENARIO, build, by_key, edges, problems
from workers_sdk.protocol.keys import short_uuid

SEED = Path(__file__).with_name("seed_create_video.yml").read_text("utf-8")


@pytest.fixture(scope="module")
def scenario() -> GeneratedScenario:
    return build(SEED, N_SLIDES=3)


def test_three_slides_asked_make_the_two_that_its_range_says(scenario: GeneratedScenario) -> None:
    assert [task.key for task in scenario.tasks] == [
        "CreateText", "CreateVoice", "CreateSlidePrompt.1", "CreateSlide.1", "CreateSlidePrompt.2", "CreateSlide.2",
        "CreateVideo",
    ]  # fmt: skip


def test_the_barrier_is_the_graph(scenario: GeneratedScenario) -> None:
    assert edges(scenario) == {
        ("CreateText", "CreateVoice"),
        ("CreateText", "CreateSlidePrompt.1"),
        ("CreateText", "CreateSlidePrompt.2"),
        ("CreateSlidePrompt.1", "CreateSlide.1"),
        ("CreateSlidePrompt.2", "CreateSlide.2"),
        ("CreateSlide.1", "CreateVideo"),
        ("CreateSlide.2", "CreateVideo"),
        ("CreateVoice", "CreateVideo"),
    }
    assert [task.queue for task in scenario.tasks] == [0, 1, 1, 1, 1, 1, 3]


def test_references_become_ids(scenario: GeneratedScenario) -> None:
    tasks = by_key(scenario)
    assert tasks["CreateVoice"].fields["text_task_id"] == tasks["CreateText"].id
    assert tasks["CreateSlide.2"].fields["slide_prompt_id"] == tasks["CreateSlidePrompt.2"].id
    video = tasks["CreateVideo"].fields
    assert video == {
        "slide_ids": [tasks["CreateSlide.1"].id, tasks["CreateSlide.2"].id],
        "voice_track_id": tasks["CreateVoice"].id,
    }


def test_ids_are_derived_from_the_names(scenario: GeneratedScenario) -> None:
    assert all(task.id == short_uuid(SCENARIO, task.key) for task in scenario.tasks)
    assert (scenario.scenario_id, scenario.name, scenario.version) == (
        SCENARIO,
        "ScenarioCreateVideo",
        "1.0.0",
    )


def test_boilerplate_does_not_travel(scenario: GeneratedScenario) -> None:
    assert by_key(scenario)["CreateText"].fields == {
        "prompt": "Напиши короткий текст про кота",
        "params": {"model": "gpt-4o-mini"},
    }


def test_every_wrong_queue_is_reported_with_its_line(scenario: GeneratedScenario) -> None:
    assert {warning.code for warning in scenario.warnings} == {"queue_mismatch"}
    assert [(warning.line, warning.column) for warning in scenario.warnings] == [(34, 12), (48, 12), (62, 12)]
    assert "queue is 0, but CreateVoice waits for 1 task" in scenario.warnings[0].message
    lines = SEED.split("\n")
    assert all(lines[warning.line - 1].strip() == "queue: 0" for warning in scenario.warnings)


def test_strict_makes_them_errors() -> None:
    assert {(problem.code, problem.severity) for problem in problems(SEED, strict=True)} == {
        ("queue_mismatch", "error")
    }


def test_variables_change_the_graph_and_the_values() -> None:
    scenario = build(SEED, N_SLIDES=11, PROMPT='кот "Барсик"', VIDEO_RESOLUTION="1280x720")
    assert len(scenario.tasks) == 23
    assert by_key(scenario)["CreateText"].fields["prompt"] == 'кот "Барсик"'
    assert by_key(scenario)["CreateSlide.10"].fields["params"] == {
        "style": "modern-flat",
        "resolution": "1280x720",
    }
    assert scenario.variables == {"N_SLIDES": 11, "PROMPT": 'кот "Барсик"', "VIDEO_RESOLUTION": "1280x720"}


def test_the_same_inputs_give_the_same_scenario() -> None:
    assert build(SEED, N_SLIDES=5) == build(SEED, N_SLIDES=5)
    assert NOW.tzinfo is not None


def test_consumers_are_written_before_what_they_wait_for(scenario: GeneratedScenario) -> None:
    written: set[str] = set()
    for position in scenario.write_order:
        assert set(scenario.tasks[position].consumers) <= written
        written.add(scenario.tasks[position].id)
    assert len(written) == len(scenario.tasks)
