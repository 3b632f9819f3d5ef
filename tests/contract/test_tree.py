"""What no file of the repository may hold, and how large one may be."""

import re
import subprocess
from pathlib import Path

import pytest

from orchestrator.embedded import TUNING

ROOT = Path(__file__).parents[2]
MAX_LINES = 400
TEXT = {
    ".py",
    ".lua",
    ".md",
    ".yml",
    ".yaml",
    ".toml",
    ".lock",
    ".txt",
    ".json",
    ".sh",
    ".cfg",
    ".ini",
    ".html",
    ".js",
    ".css",
}

# Written in pieces, so that this file does not hold them either.
HOSTS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "registry" + ".yarnpkg",
    "/simp" + "le/",
)
MACHINE = re.compile(
    "|".join((r"/wo" + r"rk/", r"/tm" + r"p/w\b", r"/ho" + r"me/\w", r"/Us" + r"ers/\w", r"/opt/py" + r"pi"))
)


def committed() -> list[Path]:
    """Files of the repository: what git knows or would take. Without git: all but what is ignored by name."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.splitlines()]
    else:
        paths = [
            path for path in ROOT.rglob("*") if not {".venv", ".scenarist", "__pycache__"} & set(path.parts)
        ]
    return [
        path
        for path in paths
        if path.is_file() and (path.suffix in TEXT or path.name in ("Makefile", "run", "Dockerfile"))
    ]


FILES = committed()


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 30


@pytest.mark.parametrize("host", HOSTS)
def test_no_package_registry_is_named(host: str) -> None:
    assert not [str(path) for path in FILES if host in path.read_text(errors="replace")]


def test_no_path_of_a_machine_is_named() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert not found


def test_python_files_are_small_enough_to_read() -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in FILES
        if path.suffix == ".py"
    }
    assert not {name: lines for name, lines in sizes.items() if lines > MAX_LINES}


def test_complexity_is_never_silenced() -> None:
    silenced = re.compile(r"no" + r"qa:.*\b(C901|PLR09)")
    assert not [str(path) for path in FILES if path.suffix == ".py" and silenced.search(path.read_text())]


def test_the_lock_holds_a_hash_for_every_package() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "http:" not in lock
    assert "https:" not in lock
    packages = re.findall(r"^\S+==\S+.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)*", lock, re.MULTILINE)
    assert len(packages) > 20
    assert not [package for package in packages if "--hash=" not in package]


def test_shipped_redis_settings_are_those_of_the_embedded_server() -> None:
    lines = (ROOT / "deploy/redis.conf").read_text().splitlines()
    settings = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    assert {name: value.strip('"') for name, value in settings.items()} == TUNING
