"""Slides and a voice become a video: H.264 and AAC in an MP4 that starts to play before it is loaded."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..slides.fonts import font_path, renderer_name
from .ffmpeg import duration_of, run_ffmpeg
from .subtitles import to_ass
from .timeline import Cue

Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]
# A playlist as input could make ffmpeg read other files.
_SOUND_FORMATS = "wav,mp3,ogg,flac,aac,mov,matroska,webm"
_FADE_S = 0.4
_TAIL_S = 0.5
# Every crossfade passes all later frames through one more filter, so long shows have plain cuts.
_MOST_FADES = 12


@dataclass(frozen=True, slots=True)
class Look:
    """Picture size in pixels (made even, as H.264 needs), frames a second, and how hard the encoder tries."""

    width: int = 1920
    height: int = 1080
    fps: int = 25
    preset: Preset = "veryfast"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as they are rendered."""
        return self.width // 2 * 2, self.height // 2 * 2


def render(
    slides: Sequence[Path],
    durations: Sequence[float],
    voice: Path,
    cues: Sequence[Cue],
    look: Look,
    target: Path,
    *,
    on_percent: Callable[[float], None] = lambda percent: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> float:
    """Write the video to `target` and return its seconds: those of the slides and a short tail.

    Scratch files go into the folder of `target`. Raises ProviderError (no ffmpeg, no font, a broken input) and
    ffmpeg.Stopped when `is_cancelled` says so.
    """
    folder = target.parent
    tail = min(_TAIL_S, 0.05 * sum(durations))
    shown = [*durations[:-1], durations[-1] + tail]
    total = sum(shown)
    width, height = look.size
    _lay_out_subtitles(folder, cues, width, height)
    graph = _graph(shown, look, total, with_subtitles=bool(cues))
    inputs = [argument for slide in slides for argument in ("-i", str(slide.resolve()))]
    run_ffmpeg(
        [
            *inputs, "-format_whitelist", _SOUND_FORMATS, "-i", str(voice.resolve()),
            "-filter_complex", graph, "-map", "[video]", "-map", "[audio]", "-t", f"{total:.3f}",
            "-c:v", "libx264", "-preset", look.preset, "-tune", "stillimage", "-crf", "20", "-pix_fmt", "yuv420p",
            "-r", str(look.fps), "-g", str(look.fps * 5),
            "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv",
            "-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-movflags", "+faststart", "-f", "mp4", target.name,
        ],
        folder,
        on_time=lambda seconds: on_percent(min(100.0, 100 * seconds / total)),
        is_cancelled=is_cancelled,
    )  # fmt: skip
    return duration_of(target)


def _lay_out_subtitles(folder: Path, cues: Sequence[Cue], width: int, height: int) -> None:
    """Put subtitles and their font where the filter finds them under names of our own: no path enters a filter."""
    if not cues:
        return
    fonts = folder / "fonts"
    fonts.mkdir(exist_ok=True)
    source = font_path("semibold")
    shutil.copyfile(source, fonts / f"subtitles{source.suffix}")
    (folder / "subtitles.ass").write_text(
        to_ass(cues, width, height, renderer_name("semibold")), encoding="utf-8"
    )


def _graph(shown: Sequence[float], look: Look, total: float, *, with_subtitles: bool) -> str:
    """The filter graph. Made of numbers only: nothing a person wrote is in it."""
    fades = len(shown) > 1 and len(shown) - 1 <= _MOST_FADES and min(shown) > 3 * _FADE_S
    overlap = _FADE_S if fades else 0.0
    frames = _frames([seconds + (overlap if i else 0.0) for i, seconds in enumerate(shown)], look.fps)
    width, height = look.size
    parts = [
        # Scaled and converted once; the one frame is then repeated, which costs next to nothing.
        f"[{i}:v]scale={width}:{height}:force_original_aspect_ratio=decrease:out_color_matrix=bt709:out_range=tv,"
        f"pad={width}:{height}:-1:-1,setsar=1,format=yuv420p,loop=loop={count - 1}:size=1:start=0,"
        f"setpts=N/({look.fps}*TB),fps={look.fps},trim=end_frame={count}[s{i}]"
        for i, count in enumerate(frames)
    ]
    last = _joined(parts, shown, fades=fades)
    burn = "ass=subtitles.ass:fontsdir=fonts" if with_subtitles else "null"
    parts.append(f"[{last}]{burn},format=yuv420p[video]")
    parts.append(f"[{len(shown)}:a]aresample=48000,apad,atrim=duration={total:.3f}[audio]")
    return ";".join(parts)


def _joined(parts: list[str], shown: Sequence[float], *, fades: bool) -> str:
    """Add the filters that put the slides one after the other; returns the name of the result."""
    if len(shown) == 1:
        return "s0"
    if not fades:
        parts.append("".join(f"[s{i}]" for i in range(len(shown))) + f"concat=n={len(shown)}:v=1:a=0[joined]")
        return "joined"
    last, now = "s0", 0.0
    for i in range(1, len(shown)):
        now += shown[i - 1]
        # The next slide is whole when its first word is spoken: the fade ends there.
        parts.append(
            f"[{last}][s{i}]xfade=transition=fade:duration={_FADE_S}:offset={now - _FADE_S:.3f}[x{i}]"
        )
        last = f"x{i}"
    return last


def _frames(durations: Sequence[float], fps: int) -> list[int]:
    """Frames of each slide, rounded so that errors do not add up."""
    counts, now, done = [], 0.0, 0
    for seconds in durations:
        now += seconds
        counts.append(max(1, round(now * fps) - done))
        done += counts[-1]
    return counts
