"""`plan`, and what `demo` refuses before anything starts."""

from pathlib import Path

import pytest

from orchestrator.cli import together
from orchestrator.cli.app import run
from orchestrator.cli.exits import Exit

GOOD = "name: Good\ntasks:\n  - name: A\n    service: a-service\n    prompt: '{{ N }}'\nvariables: {N: 1}\n"
BAD = "name: Bad\ntasks:\n  - name: A\n    service: a-service\n    prompt: '{{ NOPE }}'\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "good.yml").write_text(GOOD)
    (tmp_path / "own" / "bad.yml").write_text(BAD)
    return tmp_path


def test_only_the_named_file_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "own/good.yml"]) == Exit.OK
    said = capsys.readouterr()
    assert "Good  1 tasks" in said.out
    assert said.err == ""


def test_a_mistake_is_told_once_with_the_path_as_it_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "own/bad.yml"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert said.startswith("own/bad.yml:5:17: error unknown_variable: ")
    assert said.count("error") == 1


@pytest.mark.parametrize("template", ["own/none.yml", "NoSuchTemplate"])
def test_a_template_that_is_not_there_is_wrong_usage(
    template: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", template]) == Exit.USAGE
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert template in said


def test_templates_that_cannot_be_read_are_said_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENARIST_TEMPLATES", "own")
    assert run(["templates"]) == Exit.USAGE
    assert "bad.yml:5:17: error unknown_variable" in capsys.readouterr().err
    monkeypatch.setenv("SCENARIST_TEMPLATES", "none")
    assert run(["templates"]) == Exit.USAGE
    assert "cannot read none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["--slides", "0"], "slides_count"),
        (["--var", "N_SLIDES"], "NAME=VALUE"),
        (["--var", 'N_SLIDES="x"'], "N_SLIDES"),
    ],
)
def test_a_demo_refuses_wrong_values_before_it_starts_anything(
    tokens: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("started")

    monkeypatch.setattr(together, "everything", never)
    assert run(["demo", *tokens]) == Exit.USAGE
    said = capsys.readouterr().err
    assert words in said
    assert "setting" not in said


def test_templates_are_those_of_this_machine_unless_an_api_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENARIST_TEMPLATES", "own")
    Path("own/bad.yml").unlink()
    assert run(["plan", "Good"]) == run(["templates"]) == Exit.OK
    assert "Good" in capsys.readouterr().out

    nobody = "http://127.0.0.1:9"
    monkeypatch.setenv("SCENARIST_API", nobody)
    for tokens in (["plan", "Good"], ["templates"]):
        assert run(tokens) == Exit.UNREACHABLE
        assert f"no API at {nobody}" in capsys.readouterr().err
    assert run(["plan", "own/good.yml"]) == Exit.OK


@pytest.mark.parametrize("command", ["plan", "templates"])
def test_the_help_says_whose_templates_they_are(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == Exit.OK
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Without it those of this machine" in said
