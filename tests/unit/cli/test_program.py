"""Hints name the program as it was called; without the server's packages it says what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.program import command


@pytest.mark.parametrize(
    ("called", "hint"),
    [
        ("orchestrator/__main__.py", "python -m orchestrator up"),
        (".venv/bin/scenarist", ".venv/bin/scenarist up"),
        ("{here}/.venv/bin/scenarist", ".venv/bin/scenarist up"),
        ("/elsewhere/bin/scenarist", "/elsewhere/bin/scenarist up"),
        ("{here}/on-path/scenarist", "scenarist up"),
        ("/somewhere/pytest", "scenarist up"),
    ],
)
def test_a_hint_can_be_copied(
    called: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "on-path" / "scenarist"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(sys, "argv", [called.format(here=tmp_path)])
    assert command("up") == hint


def test_without_the_servers_packages_a_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['cyclopts'] = None; import orchestrator.__main__"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'scenarist[server]'" in done.stderr
    assert "Traceback" not in done.stderr
