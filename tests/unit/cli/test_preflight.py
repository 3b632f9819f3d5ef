"""What is missing is said before anything is started, all at once and with its remedy."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from orchestrator.cli import preflight
from orchestrator.cli.exits import CommandError
from orchestrator.cli.preflight import Need, look


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_complete_machine_passes(tmp_path: Path) -> None:
    look(
        tmp_path / "new", [Need("a shell", "none", programs=["sh"]), Need("json", "none", packages=["json"])]
    )
    assert (tmp_path / "new").is_dir()


def test_all_that_is_missing_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10, 10, 1 << 20))
    needs = [
        Need("a film", "buy one", programs=["no-such-program"]),
        Need("a key", "ask", variables=["NO_SUCH_KEY"]),
    ]
    with pytest.raises(CommandError) as raised:
        look(tmp_path, needs)
    said = str(raised.value)
    assert all(part in said for part in ("a film: buy one", "a key: ask", "disk: 1 MB free"))


def test_a_variable_meets_a_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "x")
    look(tmp_path, [Need("a key", "ask", variables=["SOME_KEY"])])


def test_a_file_in_the_way_of_the_folder_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(CommandError, match="a folder to write to"):
        look(tmp_path / "home")


def test_the_needs_of_a_video_are_met_by_the_packages_of_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert all(need.is_met() for need in preflight.VIDEO)
