"""The import contracts of pyproject.toml hold, and each of them bites."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "workers_sdk", "scenarios")
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]

PLANTS = {
    "api imports engine": ("orchestrator/api", "import orchestrator.engine", "The server, from top"),
    "engine imports api": ("orchestrator/engine", "import orchestrator.api", "The server, from top"),
    "store imports templates": (
        "orchestrator/store",
        "import orchestrator.templates",
        "The server, from top",
    ),
    "templates import store": ("orchestrator/templates", "import orchestrator.store", "The server, from top"),
    "a room nobody knows": ("orchestrator/attic", "", "The server, from top"),
    "SDK imports the server": ("workers_sdk", "import orchestrator.store", "The SDK knows nothing"),
    "server imports the SDK": ("orchestrator/store", "import workers_sdk", "The server knows the wire"),
    "server imports a pack": ("orchestrator/engine", "import scenarios", "The server knows the wire"),
    "pack imports the server": ("scenarios", "import orchestrator.store", "A scenario pack uses"),
    "pack imports the SDK's inside": ("scenarios", "import workers_sdk.protocol", "A scenario pack uses"),
    "store imports redis": ("orchestrator/store", "import redis", "Redis is reached"),
    "SDK imports redis": ("workers_sdk", "import redis.asyncio", "Redis is reached"),
    "engine imports fastapi": ("orchestrator/engine", "import fastapi", "HTTP serving stays"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages and of the contracts."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "tests")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> tuple[int, str]:
    environment = os.environ | {"PYTHONPATH": str(tree), "NO_COLOR": "1"}
    done = subprocess.run(LINT, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_contracts_hold(tree: Path) -> None:
    code, said = lint(tree)
    assert code == 0, said


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_import_breaks_its_contract(plant: str, tree: Path) -> None:
    folder, line, contract = PLANTS[plant]
    (tree / folder).mkdir(exist_ok=True)
    (tree / folder / "__init__.py").touch()
    (tree / folder / "planted.py").write_text(f"{line}\n")
    code, said = lint(tree)
    assert code != 0
    assert any(contract in row and "BROKEN" in row for row in said.splitlines()) or "attic" in said, said
