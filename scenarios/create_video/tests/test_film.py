"""Timeline and subtitles by value; the video by looking at it with ffmpeg."""

import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from scenarios.create_video.errors import ProviderError
from scenarios.create_video.film import ffmpeg
from scenarios.create_video.film.render import Look, render
from scenarios.create_video.film.subtitles import escaped, line_fits, to_ass, to_srt, to_vtt
from scenarios.create_video.film.timeline import Cue, Fits, cues, in_lines, planned_durations, slide_durations
from scenarios.create_video.slides.design import draw_slide
from scenarios.create_video.slides.layouts import Slide
from scenarios.create_video.speech.engines import speak_offline
from scenarios.create_video.speech.sound import evenly_loud
from scenarios.create_video.speech.words import Word, proportional

from .media import facts, frame, mean_volume

TEXT = "Сегодня поговорим про котов. Они много спят, едят и играют. Вот и всё, спасибо!"
SMALL = Look(320, 180, 10, "ultrafast")


@pytest.mark.parametrize("slides", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("text", ["", "Одно", TEXT, TEXT * 20])
def test_slides_share_the_narration_and_none_is_forgotten(text: str, slides: int) -> None:
    durations = slide_durations(proportional(text, 30.0), slides, 30.0)
    assert len(durations) == slides
    assert sum(durations) == pytest.approx(30.0)
    assert min(durations) > 0.35 * 30 / slides


def test_slides_change_at_the_end_of_a_sentence_near_their_share() -> None:
    words = [Word(i, i + 1, f"w{i}" + ("." if i in (3, 10) else "," if i == 5 else "")) for i in range(15)]
    assert slide_durations(words, 3, 15.0) == [4.0, 7.0, 4.0]


def test_subtitles_have_two_lines_at_most_and_say_every_word_once() -> None:
    words = proportional(TEXT * 10, 120.0)
    lines = cues(words, _up_to(30), 120.0)
    assert " ".join(cue.text for cue in lines).split() == [word.text for word in words]
    assert all(1 <= len(cue.lines) <= 2 and all(len(line) <= 30 for line in cue.lines) for cue in lines)
    assert all(one.start < one.end <= other.start + 0.001 for one, other in pairwise(lines))
    assert lines[-1].end <= 120.0


def test_two_lines_are_of_nearly_one_length() -> None:
    assert in_lines("one two three four", _up_to(10)) == ("one two", "three four")
    assert in_lines("short", _up_to(10)) == ("short",)
    assert in_lines("one two three four five", _up_to(10)) is None
    assert in_lines("x" * 30, _up_to(10)) is None


@pytest.mark.parametrize("size", [(1920, 1080), (320, 180), (90, 160), (720, 1280), (4096, 90)])
@pytest.mark.parametrize("letter", ["W", "Щ", "i", "а"])
def test_a_word_longer_than_a_line_is_broken_and_each_piece_fits_the_picture(
    letter: str, size: tuple[int, int]
) -> None:
    fits = line_fits(*size)
    word = letter * 300
    lines = cues([Word(0, 1, "Слово"), Word(1, 21, word), Word(21, 22, "конец.")], fits, 22.0)
    assert all(len(cue.lines) <= 2 and all(map(fits, cue.lines)) for cue in lines)
    assert "".join(line for cue in lines for line in cue.lines).replace(" ", "") == f"Слово{word}конец."
    assert all(one.end <= other.start + 0.001 for one, other in pairwise(lines))
    assert lines[-1].end == 22.0


def test_a_slide_appears_with_its_first_word() -> None:
    words = [Word(i, i + 1, text) for i, text in enumerate(("Кот", "спит —", "долго.", "Пёс", "нет."))]
    assert planned_durations(words, [0, 4], 5.0) == [3.0, 2.0]
    assert planned_durations(words, [None], 5.0) == [5.0]


@pytest.mark.parametrize("first_words", [[0, None, 4], [0, 4, 1], [0, 2, 2], [0, 2, 99], [0, -1, 3]])
def test_a_plan_that_does_not_belong_to_the_words_is_no_plan(first_words: list[int | None]) -> None:
    words = [Word(i, i + 1, f"w{i}") for i in range(6)]
    assert planned_durations(words, first_words, 6.0) is None


def test_no_word_of_a_user_becomes_a_command_of_the_renderer() -> None:
    ass = to_ass([Cue(0, 1, ("{\\b1}bold\n", "a\\Nb, {c}"))], 320, 180, "Open Sans")
    line = ass.splitlines()[-1]
    assert (
        line
        == "Dialogue: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,\\{\\\u2060b1\\}bold\\Na\\\u2060Nb, \\{c\\}"
    )
    assert escaped("a\r\nDialogue: x") == "a Dialogue: x"


def test_subtitle_files_have_the_form_of_their_kind() -> None:
    lines = [Cue(0.5, 61.25, ("раз", "два <b>")), Cue(3661.0, 3662.5, ("три",))]
    assert to_srt(lines) == (
        "1\n00:00:00,500 --> 00:01:01,250\nраз\nдва <b>\n\n2\n01:01:01,000 --> 01:01:02,500\nтри\n"
    )
    assert to_vtt(lines).startswith("WEBVTT\n\n00:00:00.500 --> 00:01:01.250\nраз\nдва &lt;b&gt;\n\n")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[float]]:
    """One real small video with subtitles, one without, and the seconds of their slides."""
    folder = tmp_path_factory.mktemp("film")
    spoken = speak_offline(TEXT, "ru")
    sound = evenly_loud(spoken.sound)
    (folder / "voice.wav").write_bytes(sound.to_wav())
    slides = []
    for i in range(1, 4):
        slides.append(folder / f"slide {i}'s.png")
        draw_slide(Slide(f"Слайд {i}", ("Раз", "Два"), i, 3, "cats"), 320, 180).image.save(slides[-1])
    shown = slide_durations(spoken.words, 3, sound.duration)
    lines = cues(spoken.words, _up_to(30), sound.duration)
    percents: list[float] = []
    render(slides, shown, folder / "voice.wav", lines, SMALL, folder / "with.mp4", on_percent=percents.append)
    render(slides, shown, folder / "voice.wav", [], SMALL, folder / "without.mp4")
    assert percents
    assert percents == sorted(percents)
    assert percents[-1] > 90
    return folder / "with.mp4", folder / "without.mp4", shown


def test_the_video_has_the_streams_and_the_length_that_it_should(
    film: tuple[Path, Path, list[float]],
) -> None:
    found = facts(film[0])
    assert found.video.startswith("h264")
    assert "yuv420p" in found.video
    assert "320x180" in found.video
    assert "10 fps" in found.video
    assert found.frames == pytest.approx(10 * found.duration, abs=2)
    assert found.audio.startswith("aac")
    assert found.duration == pytest.approx(sum(film[2]), rel=0.1)


def test_the_video_plays_before_it_is_loaded(film: tuple[Path, Path, list[float]]) -> None:
    data = film[0].read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_voice_in_the_video_is_loud_enough(film: tuple[Path, Path, list[float]]) -> None:
    assert -25 < mean_volume(film[0]) < -12


def test_each_slide_is_shown_in_its_time(film: tuple[Path, Path, list[float]], tmp_path: Path) -> None:
    _, video, shown = film
    middles = [sum(shown[:i]) + shown[i] / 2 for i in range(3)]
    frames = [frame(video, seconds, tmp_path) for seconds in middles]
    slides = [
        draw_slide(Slide(f"Слайд {i}", ("Раз", "Два"), i, 3, "cats"), 320, 180).image for i in range(1, 4)
    ]
    for i, shot in enumerate(frames):
        distances = [_difference(shot, slide) for slide in slides]
        assert distances.index(min(distances)) == i
        assert min(distances) < 6


def test_subtitles_are_seen_at_the_bottom_and_nowhere_else(
    film: tuple[Path, Path, list[float]], tmp_path: Path
) -> None:
    seconds = film[2][0] / 2
    one, other = frame(film[0], seconds, tmp_path), frame(film[1], seconds, tmp_path)
    changed = ImageChops.difference(one, other).convert("L").point([0] * 60 + [255] * 196).getbbox()
    assert changed is not None
    left, top, right, bottom = changed
    assert top > 180 * 0.7
    assert right - left > 100
    assert 8 < bottom - top < 50


def test_a_render_that_is_not_wanted_any_more_stops(
    film: tuple[Path, Path, list[float]], tmp_path: Path
) -> None:
    slide, voice = film[0].parent / "slide 1's.png", film[0].parent / "voice.wav"
    calls = iter([False, False, True])
    with pytest.raises(ffmpeg.Stopped):
        render(
            [slide], [3600.0], voice, [], SMALL, tmp_path / "out.mp4", is_cancelled=lambda: next(calls, True)
        )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to another one")
def test_ffmpeg_ends_with_the_worker_that_is_killed(tmp_path: Path) -> None:
    endless = ["-re", "-f", "lavfi", "-i", "color", "-t", "3600", "-f", "null", "-"]
    program = (
        f"from pathlib import Path\nfrom {ffmpeg.__name__} import run_ffmpeg\nrun_ffmpeg({endless}, Path())"
    )
    environment = {**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)}
    worker = subprocess.Popen([sys.executable, "-c", program], env=environment)
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    try:
        _until(lambda: _running_ffmpeg(children.read_text()))
        child = children.read_text()
    finally:
        worker.kill()
        worker.wait()
    _until(lambda: not _running_ffmpeg(child))


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _running_ffmpeg(pids: str) -> bool:
    """Whether one of these processes is ffmpeg, and not over."""
    for pid in pids.split():
        try:
            name, state = re.findall(r"(?m)^(?:Name|State):\s+(\S+)", Path(f"/proc/{pid}/status").read_text())
        except OSError:
            continue
        if name.startswith("ffmpeg") and state != "Z":
            return True
    return False


def test_a_broken_input_fails_with_the_words_of_ffmpeg(tmp_path: Path) -> None:
    (tmp_path / "slide.png").write_bytes(b"no picture")
    (tmp_path / "voice.wav").write_bytes(_silence(1.0))
    with pytest.raises(ProviderError, match="ffmpeg failed") as caught:
        render([tmp_path / "slide.png"], [1.0], tmp_path / "voice.wav", [], SMALL, tmp_path / "out.mp4")
    assert caught.value.code == "render_failed"


def test_a_playlist_is_not_taken_for_a_voice(tmp_path: Path) -> None:
    Image.new("RGB", (320, 180)).save(tmp_path / "slide.png")
    (tmp_path / "other.wav").write_bytes(_silence(1.0))
    (tmp_path / "voice.wav").write_text(f"ffconcat version 1.0\nfile '{tmp_path}/other.wav'\n")
    with pytest.raises(ProviderError, match="ffmpeg failed"):
        render([tmp_path / "slide.png"], [1.0], tmp_path / "voice.wav", [], SMALL, tmp_path / "out.mp4")


def test_odd_sizes_are_made_even_and_many_slides_have_plain_cuts(tmp_path: Path) -> None:
    slides = []
    for i in range(15):
        slides.append(tmp_path / f"{i}.png")
        Image.new("RGB", (161, 91), (i * 16, 0, 0)).save(slides[-1])
    (tmp_path / "voice.wav").write_bytes(_silence(3.0))
    render(
        slides, [0.2] * 15, tmp_path / "voice.wav", [], Look(161, 91, 10, "ultrafast"), tmp_path / "out.mp4"
    )
    assert "160x90" in facts(tmp_path / "out.mp4").video


def test_without_ffmpeg_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ProviderError, match="imageio-ffmpeg") as caught:
        ffmpeg.find_ffmpeg()
    assert caught.value.code == "not_installed"


def _up_to(length: int) -> Fits:
    return lambda text: len(text) <= length


def _silence(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * int(8000 * seconds))
    return buffer.getvalue()


def _difference(one: Image.Image, other: Image.Image) -> float:
    histogram = ImageChops.difference(one.convert("L"), other.convert("L")).histogram()
    return sum(value * count for value, count in enumerate(histogram)) / (one.width * one.height)
