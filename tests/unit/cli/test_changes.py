"""An edit of the source is noticed once."""

import os
from pathlib import Path

import pytest

from orchestrator.cli import changes
from orchestrator.cli.changes import Changes


def test_a_new_a_changed_and_a_removed_file_are_each_noticed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "edited"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(changes, "PACKAGES", ("edited",))
    look = Changes()
    assert look.look() == ""

    file = package / "part.py"
    file.write_text("a = 1")
    assert look.look() == str(file)
    file.write_text("a = 2")
    later = file.stat().st_mtime_ns + 1_000_000
    os.utime(file, ns=(later, later))
    assert look.look() == str(file)
    file.unlink()
    assert look.look() == str(file)
    (package / "notes.txt").touch()
    assert look.look() == ""


def test_the_templates_of_a_folder_that_comes_later_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "PACKAGES", ())
    folder = tmp_path / "templates"
    look = Changes([folder])
    assert look.look() == ""
    folder.mkdir()
    (folder / "hello.yml").touch()
    (folder / "hello.py").touch()
    assert look.look() == str(folder / "hello.yml")
    assert look.look() == ""
