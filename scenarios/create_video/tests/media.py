"""What a finished file really contains, told by ffmpeg."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from scenarios.create_video.film.ffmpeg import find_ffmpeg


@dataclass(frozen=True, slots=True)
class Facts:
    """Streams as ffmpeg describes them, the length in seconds, and the frames that are really there."""

    video: str
    audio: str
    duration: float
    frames: int


def facts(file: Path) -> Facts:
    """Describe a media file."""
    said = _ffmpeg("-i", str(file), "-map", "0", "-f", "null", "-")
    match = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    assert match, said
    hours, minutes, seconds = match.groups()
    found = {kind: re.search(rf"Stream #0:\d.*{kind}: (.*)", said) for kind in ("Video", "Audio")}
    video, audio = (found[kind].group(1) if found[kind] else "" for kind in ("Video", "Audio"))  # type: ignore[union-attr]
    frames = re.findall(r"frame=\s*(\d+)", said)
    duration = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return Facts(video, audio, duration, int(frames[-1]) if frames else 0)


def mean_volume(file: Path) -> float:
    """Mean volume in dB."""
    match = re.search(
        r"mean_volume: (-?[\d.]+) dB", _ffmpeg("-i", str(file), "-af", "volumedetect", "-f", "null", "-")
    )
    assert match
    return float(match.group(1))


def frame(file: Path, seconds: float, folder: Path) -> Image.Image:
    """The picture shown at a moment."""
    target = folder / f"frame-{file.stem}-{seconds:.3f}.png"
    _ffmpeg("-y", "-ss", f"{seconds:.3f}", "-i", str(file), "-frames:v", "1", str(target))
    with Image.open(target) as image:
        return image.convert("RGB")


def _ffmpeg(*arguments: str, check: bool = True) -> str:
    command = [find_ffmpeg(), "-hide_banner", "-nostdin", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stderr
