"""video-service: puts slides and voice together."""

import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from pydantic import Field

from workers_sdk import Context, Done, Fail, Result, Worker

from ..film.ffmpeg import Stopped, duration_of
from ..film.render import Look, Preset, render
from ..film.subtitles import line_fits, to_srt, to_vtt
from ..film.timeline import Cue, cues, planned_durations, slide_durations
from ..slides.fonts import printable
from ..speech.words import Word, from_json
from .common import MAX_SLIDES, Params, Resolution, done, parse_resolution, told_plainly

worker = Worker("video-service", concurrency=2)


class VideoParams(Params):
    """`resolution` is by default that of the first slide; the others also come from `SCENARIST_VIDEO_FPS`, `_PRESET`."""

    resolution: Resolution = ""
    fps: int = Field(default_factory=lambda: int(os.environ.get("SCENARIST_VIDEO_FPS") or 25), ge=1, le=60)
    preset: Preset = Field(
        default_factory=lambda: os.environ.get("SCENARIST_VIDEO_PRESET") or "veryfast", validate_default=True
    )
    subtitles: bool = True


@worker.task("CreateVideoFromSlides")
def create_video(params: VideoParams, ctx: Context) -> Done:
    """Show the slides of `slide_ids` while `voice_track_id` speaks, with its words as subtitles.

    A slide appears when its `first_word` is spoken; where that is not known for all, slides share the time nearly equally.

    Result: an MP4 file, and `{duration_s, slides, slide_times, width, height, fps, subtitles: {srt, vtt} | null, timing}`.
    """
    slides, voice = ctx.results("slide_ids"), ctx.result("voice_track_id")
    if not 0 < len(slides) <= MAX_SLIDES:
        raise Fail(f"{len(slides)} slides; a show has 1 to {MAX_SLIDES}", code="bad_input")
    with tempfile.TemporaryDirectory(prefix="scenarist-video-") as name, told_plainly():
        folder = Path(name)
        pictures = [_fetch_slide(ctx, slide, folder / f"slide-{i}.bmp") for i, slide in enumerate(slides)]
        sound = ctx.artifacts.fetch(_ref(voice), folder / "voice")
        length = duration_of(sound)
        words = _words(ctx, voice)
        look = _look(params, pictures[0])
        planned = planned_durations(words, [_first_word(slide) for slide in slides], length)
        shown = planned or slide_durations(words, len(pictures), length)
        lines = cues(_readable(words), line_fits(*look.size), length) if params.subtitles else []
        target = folder / "video.mp4"
        try:
            duration = render(
                pictures,
                shown,
                sound,
                lines,
                look,
                target,
                on_percent=_progress(ctx),
                is_cancelled=ctx.cancelled.is_set,
            )
        except Stopped:
            ctx.cancelled.raise_if_set()
            raise
        ctx.progress(100, "done")
        return done(
            ctx.artifacts.put("video.mp4", target, "video/mp4"),
            duration_s=round(duration, 3),
            slides=len(pictures),
            slide_times=[round(seconds, 3) for seconds in shown],
            width=look.size[0],
            height=look.size[1],
            fps=look.fps,
            subtitles=_ship_subtitles(ctx, lines),
            timing=voice.value.get("timing") if isinstance(voice.value, dict) else None,
        )


def _progress(ctx: Context) -> Callable[[float], None]:
    return lambda percent: ctx.progress(5 + 0.9 * percent, "rendering")


def _ref(result: Result) -> str:
    if not result.ref:
        raise Fail(f"task {result.name} left no file", code="bad_input")
    return result.ref


def _fetch_slide(ctx: Context, slide: Result, target: Path) -> Path:
    """Read a slide, whatever its format, and write it as one that ffmpeg reads in no time."""
    try:
        with Image.open(io.BytesIO(ctx.artifacts.get(_ref(slide)))) as image:
            image.convert("RGB").save(target, "BMP")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Fail(f"{slide.ref} is not a picture", code="bad_input") from error
    return target


def _look(params: VideoParams, first: Path) -> Look:
    resolution = params.resolution
    if resolution:
        width, height = parse_resolution(resolution)
    else:
        with Image.open(first) as image:
            width, height = image.size
    return Look(width, height, params.fps, params.preset)


def _words(ctx: Context, voice: Result) -> list[Word]:
    """Times of the spoken words; none when the voice came from a worker that does not tell them."""
    value = voice.value if isinstance(voice.value, dict) else {}
    given = value.get("words")
    if given is None and value.get("words_ref"):
        given = json.loads(ctx.artifacts.get(str(value["words_ref"])))
    return from_json(given)


def _readable(words: list[Word]) -> list[Word]:
    """The words without what the font cannot draw."""
    texts = ((word, printable(word.text, "semibold")) for word in words)
    return [Word(word.start, word.end, text) for word, text in texts if text]


def _first_word(slide: Result) -> int | None:
    value = slide.value.get("first_word") if isinstance(slide.value, dict) else None
    return value if isinstance(value, int) else None


def _ship_subtitles(ctx: Context, lines: list[Cue]) -> dict[str, str] | None:
    if not lines:
        return None
    srt = ctx.artifacts.put("subtitles.srt", to_srt(lines).encode(), "application/x-subrip")
    vtt = ctx.artifacts.put("subtitles.vtt", to_vtt(lines).encode(), "text/vtt")
    return {"srt": srt.uri, "vtt": vtt.uri}


if __name__ == "__main__":
    worker.run()
