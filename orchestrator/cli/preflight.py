"""Looks for what a first video needs before anything is started, and says in words what is missing."""

import importlib.util
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .exits import CommandError

NEEDED_BYTES: Final = 300 * 1024 * 1024


@dataclass(frozen=True)
class Need:
    """Something that any one of some programs, Python packages or environment variables gives."""

    what: str
    remedy: str
    programs: Sequence[str] = ()
    packages: Sequence[str] = ()
    variables: Sequence[str] = ()

    def is_met(self) -> bool:
        """Whether one of them is there."""
        return (
            any(os.environ.get(variable) for variable in self.variables)
            or any(shutil.which(program) for program in self.programs)
            or any(importlib.util.find_spec(package) for package in self.packages)
        )


VIDEO: Final = (
    Need(
        "ffmpeg, which makes the film",
        "pip install 'scenarist[video]', or apt install ffmpeg",
        programs=["ffmpeg"],
        packages=["imageio_ffmpeg"],
    ),
    Need(
        "a font for the slides",
        "pip install 'scenarist[video]', or SCENARIST_FONT=/path/to/font.ttf",
        packages=["ttf_opensans"],
        variables=["SCENARIST_FONT"],
    ),
    Need(
        "a voice",
        "pip install 'scenarist[tts]', or apt install espeak-ng, or a key of a speech service",
        programs=["espeak-ng", "flite"],
        packages=["espeakng_loader"],
        variables=["ELEVENLABS_API_KEY", "OPENAI_API_KEY"],
    ),
)


def look(home: Path, needs: Sequence[Need] = ()) -> None:
    """Check the disk under `home` and all `needs`.

    Raises:
        CommandError: lists everything that is missing, not the first only.
    """
    missing = [f"{need.what}: {need.remedy}" for need in needs if not need.is_met()]
    try:
        home.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(home).free
    except OSError as error:
        missing.append(f"a folder to write to: {error}")
    else:
        if not os.access(home, os.W_OK):
            missing.append(f"a folder to write to: {home.absolute()} is read-only")
        if free < NEEDED_BYTES:
            missing.append(
                f"disk: {free >> 20} MB free under {home.absolute()}, {NEEDED_BYTES >> 20} MB needed"
            )
    if missing:
        raise CommandError("\n".join(["this machine lacks", *(f"  - {text}" for text in missing)]))
