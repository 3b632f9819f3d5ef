"""How this program was called, for hints that can be copied into the same terminal."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "scenarist"


def command(*words: str) -> str:
    """A command line of ours: `scenarist submit`, `.venv/bin/scenarist submit`, `python -m orchestrator submit`."""
    return " ".join([_program(), *words])


def _program() -> str:
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return "python -m orchestrator"
    found = shutil.which(NAME)
    if called.name != NAME or (found and Path(found).absolute() == called.absolute()):
        return NAME
    here = Path.cwd()
    return os.fspath(
        called.absolute().relative_to(here)
        if called.is_absolute() and called.is_relative_to(here)
        else called
    )
