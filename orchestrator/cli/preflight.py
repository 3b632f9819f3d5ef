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
    """Something that any one of some programs or Python packages gives; an environment variable may name another."""

    what: str
    programs: Sequence[str]
    packages: Sequence[str]
    variable: str
    remedy: str

    def is_met(self) -> bool:
        """Whether one of them is there."""
        return (
            self.variable in os.environ
            or any(shutil.which(program) for program in self.programs)
            or any(importlib.util.find_spec(package) for package in self.packages)
        )


VIDEO: Final = (
    Need(
        "ffmpeg, which cuts the film",
        ["ffmpeg"],
        ["imageio_ffmpeg"],
        "SCENARIST_FFMPEG",
        "pip install 'scenarist[video]', or apt install ffmpeg",
    ),
    Need(
        "a font for the slides",
        [],
        ["ttf_opensans"],
        "SCENARIST_FONT",
        "pip install 'scenarist[video]'",
    ),
    Need(
        "a voice",
        ["espeak-ng", "flite"],
        ["espeakng_loader"],
        "ELEVENLABS_API_KEY",
        "pip install 'scenarist[tts]', or apt install espeak-ng",
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
