"""`make run` hands the description on word for word."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[3] / "Makefile"
TEXTS = [
    "Коты стоят $HOME и $$ и $(HOME) и ${HOME}",
    'it\'s "quoted" `date` \\ and # no comment',
    "{{ 7 * 7 }} {% raw %} % ; | & > <",
    "two\nlines",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout whose `scenarist` writes down what it was given."""
    shutil.copy(MAKEFILE, tmp_path)
    program = tmp_path / ".venv" / "bin" / "scenarist"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\" > given\n")
    program.chmod(0o755)
    for name, seconds in (("requirements.lock", 1), ("pyproject.toml", 1), (".venv/installed", 2)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (seconds, seconds))
    return tmp_path


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_description_arrives_as_it_was_typed(by: str, text: str, folder: Path) -> None:
    given = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    words = [f"DESCRIPTION={text}"] if by == "argument" else []
    environment = given if words else given | {"DESCRIPTION": text}
    subprocess.run(["make", "run", *words], cwd=folder, env=environment, check=True)
    arguments = (folder / "given").read_text().split("\0")[:-1]
    assert arguments == ["demo", "--slides", "3", "--description", text]
