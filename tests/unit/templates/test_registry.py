"""Folders of templates, and the schema of their files."""

from pathlib import Path

import pytest

from orchestrator.templates import Registry, TemplateError, UnknownTemplate, json_schema
from tests.unit.templates.build import task, tasks

BODY = tasks(task("A"))


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, "utf-8")


def test_templates_are_found_by_name_with_or_without_the_prefix(tmp_path: Path) -> None:
    write(tmp_path / "a", "video.yml", "name: ScenarioCreateVideo\n" + BODY)
    write(tmp_path / "b", "CreateVoice.yaml", BODY)
    write(tmp_path / "b", "notes.txt", "not a template")
    registry = Registry([tmp_path / "a", tmp_path / "b"])
    assert registry.names() == ["CreateVoice", "ScenarioCreateVideo"]
    assert registry.get("CreateVideo") is registry.get("ScenarioCreateVideo")
    assert registry.get("ScenarioCreateVoice").name == "CreateVoice"
    assert [template.file.split("/")[-1] for template in registry.all()] == ["CreateVoice.yaml", "video.yml"]
    assert len(registry.get("CreateVideo").hash) == 64


def test_an_unknown_name_comes_with_the_close_ones(tmp_path: Path) -> None:
    write(tmp_path / "a", "CreateVideo.yml", BODY)
    with pytest.raises(UnknownTemplate) as caught:
        Registry([tmp_path / "a"]).get("CreateVidoe")
    assert caught.value.matches == ["CreateVideo"]
    assert "did you mean 'CreateVideo'?" in str(caught.value)


def test_two_files_of_one_name_are_both_told(tmp_path: Path) -> None:
    write(tmp_path / "a", "x.yml", "name: CreateVideo\n" + BODY)
    write(tmp_path / "b", "y.yml", "name: ScenarioCreateVideo\n" + BODY)
    with pytest.raises(TemplateError) as caught:
        Registry([tmp_path / "a", tmp_path / "b"])
    assert "a/x.yml" in caught.value.problems[0].message
    assert "b/y.yml" in caught.value.problems[0].message


def test_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path / "a", "x.yml", BODY + "# {{ X }}\n")
    write(tmp_path / "a", "y.yml", "name: {{ X\n" + BODY)
    (tmp_path / "a" / "z.yml").write_bytes(b"\xff")
    with pytest.raises(TemplateError) as caught:
        Registry([tmp_path / "a"])
    assert {problem.file.split("/")[-1] for problem in caught.value.problems} == {"x.yml", "y.yml", "z.yml"}


def test_the_schema_is_of_the_2020_12_dialect_and_knows_the_fields() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert schema["oneOf"] == [{"required": ["tasks"]}, {"required": ["states"]}]
    one = schema["$defs"]["TaskForm"]
    assert one["additionalProperties"] is True
    assert one["required"] == ["name"]
    assert {"required": ["service"]} in one["anyOf"]
    assert {"needs", "consumers", "count", "prompt", "params"} <= one["properties"].keys()


def test_a_template_of_an_overriding_folder_takes_the_place_of_a_packs(tmp_path: Path) -> None:
    for folder, version in (("pack", "1.0.0"), ("mine", "2.0.0")):
        (tmp_path / folder).mkdir()
        text = f'name: ScenarioCreateVideo\nversion: "{version}"\ntasks:\n  - {{name: A, service: s}}\n'
        (tmp_path / folder / "create_video.yml").write_text(text)

    registry = Registry([tmp_path / "pack"], overriding=[tmp_path / "mine"])

    assert registry.names() == ["ScenarioCreateVideo"]
    assert "2.0.0" in registry.get("CreateVideo").text
