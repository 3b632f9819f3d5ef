"""The four workers as the orchestrator calls them: from a description to a video, and every input of the seed's form."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from scenarios.create_video.workers import image, text, video, voice
from scenarios.create_video.workers.common import parse_resolution
from workers_sdk import Artifacts, Done
from workers_sdk.testing import Ran, run_handler

from .media import facts, frame, mean_volume

SMALL = {"resolution": "320x180", "fps": 10, "preset": "ultrafast"}


async def test_a_description_becomes_a_video_with_voice_slides_and_subtitles(tmp_path: Path) -> None:
    written = await _ok(
        run_handler(text.worker, "CreateText", prompt="Создай видео про котов", params={"slides": 3})
    )
    spoken = await _ok(
        run_handler(voice.worker, "CreateVoice", results={"text_task_id": written.value}, artifacts=tmp_path)
    )
    slides = [await _slide(written.value, index, tmp_path) for index in (1, 2, 3)]
    results = {"slide_ids": slides, "voice_track_id": Done(spoken.ref, spoken.value)}
    made = await _ok(
        run_handler(video.worker, "CreateVideoFromSlides", params=SMALL, results=results, artifacts=tmp_path)
    )
    store = Artifacts(str(tmp_path), "test")
    film = store.fetch(made.ref, tmp_path / "out.mp4")
    found = facts(film)
    assert found.video.startswith("h264")
    assert found.audio.startswith("aac")
    assert found.duration == pytest.approx(spoken.value["duration_s"], rel=0.1)
    assert mean_volume(film) > -35
    assert made.value["slides"] == 3
    assert (
        "поговорим" in store.get(made.value["subtitles"]["srt"]).decode()
        or "рассказ" in written.value["text"]
    )
    assert store.get(made.value["subtitles"]["vtt"]).startswith(b"WEBVTT")
    shown = made.value["slide_times"]
    shots = [frame(film, sum(shown[:i]) + shown[i] / 2, tmp_path) for i in range(3)]
    assert all(_differ(shots[i], shots[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    planned = [idea["first_word"] for idea in written.value["outline"]]
    begins = [spoken.value["words"][first][0] for first in planned]
    assert [sum(shown[:i]) for i in range(3)] == pytest.approx([0, *begins[1:]], abs=0.01)
    percents = [percent for percent, _ in made.progress]
    assert percents == sorted(percents)
    assert percents[-1] == 100


async def test_the_form_of_the_seed_gives_a_slide_for_each_number(tmp_path: Path) -> None:
    """There a slide prompt refers to no text, and the video has no params."""
    titles = []
    for number in (1, 2, 3):
        prompt = f"Сформулируй заголовок для слайда {number}"
        made = await _ok(
            run_handler(text.worker, "CreateSlidePrompt", prompt=prompt, params={"model": "gpt-4o-mini"})
        )
        drawn = await _ok(
            run_handler(
                image.worker, "CreateSlide", results={"slide_prompt_id": made.value}, artifacts=tmp_path,
                params={"style": "modern-flat", "resolution": "320x180"},
            )
        )  # fmt: skip
        assert drawn.value["index"] == number
        titles.append(made.value["title"])
        assert drawn.value["first_word"] is None
    assert len(set(titles)) == 3


async def test_a_voice_without_a_text_task_speaks_its_prompt(tmp_path: Path) -> None:
    spoken = await _ok(run_handler(voice.worker, "CreateVoice", prompt="Привет, мир!", artifacts=tmp_path))
    assert [word for _, _, word in spoken.value["words"]] == ["Привет,", "мир!"]
    assert spoken.ref.endswith("voice.wav")
    assert spoken.value["language"] == "ru"
    other = await _ok(
        run_handler(
            voice.worker, "CreateVoice", prompt="Привет, мир!", fields={"index": "2"}, artifacts=tmp_path
        )
    )
    assert other.value["artifact"]["sha256"] != spoken.value["artifact"]["sha256"]


async def test_many_words_go_into_an_artifact_and_come_back_as_subtitles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "MAX_INLINE_BYTES", 50)
    prompt = "Коты спят, едят и играют каждый день."
    spoken = await _ok(run_handler(voice.worker, "CreateVoice", prompt=prompt, artifacts=tmp_path))
    assert "words" not in spoken.value
    slide = await _slide({"text": "Коты. Псы."}, 1, tmp_path, resolution="160x90")
    results = {"slide_ids": [slide], "voice_track_id": Done(spoken.ref, spoken.value)}
    params = {"fps": 1, "preset": "ultrafast"}
    made = await _ok(
        run_handler(video.worker, "CreateVideoFromSlides", params=params, results=results, artifacts=tmp_path)
    )
    assert "играют" in Artifacts(str(tmp_path), "test").get(made.value["subtitles"]["srt"]).decode()
    assert (made.value["width"], made.value["height"]) == (160, 90)


async def test_text_of_a_foreign_worker_may_be_plain_words_or_an_artifact(tmp_path: Path) -> None:
    left = Artifacts(str(tmp_path), "scenario/task/1").put("text.txt", b"Cats sleep.")
    for result in ("Cats sleep.", {"text": "Cats sleep."}, Done(left.uri)):
        spoken = await _ok(
            run_handler(voice.worker, "CreateVoice", results={"text_task_id": result}, artifacts=tmp_path)
        )
        assert [word for _, _, word in spoken.value["words"]] == ["Cats", "sleep."]
        made = await _ok(
            run_handler(
                text.worker, "CreateSlidePrompt", results={"text_task_id": result}, artifacts=tmp_path,
                fields={"index": "1", "total": "2"},
            )
        )  # fmt: skip
        assert made.value["title"] == "Cats sleep"


async def test_a_slide_may_be_drawn_from_its_prompt_alone(tmp_path: Path) -> None:
    drawn = await _ok(
        run_handler(
            image.worker, "CreateSlide", prompt="Коты 🐈", params={"resolution": "160x90"}, artifacts=tmp_path
        )
    )
    with Image.open(io.BytesIO(Artifacts(str(tmp_path), "test").get(drawn.ref))) as picture:
        assert picture.size == (160, 90)
    assert drawn.value["provider"] == "offline-designer"
    assert drawn.value["left_out"] > 0


async def test_a_voice_that_tells_no_word_times_still_gives_a_video(tmp_path: Path) -> None:
    spoken = await _ok(run_handler(voice.worker, "CreateVoice", prompt="Hello there", artifacts=tmp_path))
    slides = [await _slide({"text": "One. Two."}, index, tmp_path) for index in (1, 2)]
    results = {"slide_ids": slides, "voice_track_id": Done(spoken.ref)}
    made = await _ok(
        run_handler(video.worker, "CreateVideoFromSlides", params=SMALL, results=results, artifacts=tmp_path)
    )
    assert made.value["subtitles"] is None
    assert made.value["slide_times"][0] == pytest.approx(made.value["slide_times"][1], abs=0.01)


@pytest.mark.parametrize(
    ("worker", "name", "inputs", "code"),
    [
        (voice.worker, "CreateVoice", {"prompt": "  …  "}, "bad_input"),
        (voice.worker, "CreateVoice", {"prompt": "a" * 30_000}, "bad_input"),
        (voice.worker, "CreateVoice", {"results": {"text_task_id": {"no": "text"}}}, "bad_input"),
        (image.worker, "CreateSlide", {"prompt": ""}, "bad_input"),
        (image.worker, "CreateSlide", {"prompt": "x", "params": {"resolution": "huge"}}, "invalid_params"),
        (
            image.worker,
            "CreateSlide",
            {"prompt": "x", "params": {"resolution": "9999x9999"}},
            "invalid_params",
        ),
        (text.worker, "CreateText", {"prompt": "x", "params": {"slides": 51}}, "invalid_params"),
        (text.worker, "CreateSlidePrompt", {"prompt": "слайд 51"}, "bad_input"),
        (
            video.worker,
            "CreateVideoFromSlides",
            {"results": {"slide_ids": ["x"], "voice_track_id": "y"}},
            "bad_input",
        ),
        (video.worker, "CreateVideoFromSlides", {"params": {"preset": "placebo"}}, "invalid_params"),
        (video.worker, "CreateVideoFromSlides", {}, "LookupError"),
        (
            video.worker,
            "CreateVideoFromSlides",
            {"results": {"slide_ids": [], "voice_track_id": "y"}},
            "bad_input",
        ),
        (text.worker, "CreateText", {"prompt": "x", "params": {"slides": 0}}, "invalid_params"),
    ],
)
async def test_what_cannot_be_done_fails_with_a_code(
    worker: Any, name: str, inputs: dict[str, Any], code: str, tmp_path: Path
) -> None:
    ran = await run_handler(worker, name, artifacts=tmp_path, **inputs)
    assert ran.error is not None
    assert ran.error["type"] == code
    assert ran.error["message"]


@pytest.mark.parametrize(
    "prompt", ["quotes \" and '", "{{ 7*7 }}", "line\nbreak: - id: x", "\\N{\\b1}", "$(rm -rf /)"]
)
async def test_words_of_the_user_stay_words(prompt: str, tmp_path: Path) -> None:
    written = await _ok(run_handler(text.worker, "CreateText", prompt=f"A video about {prompt}"))
    spoken = await _ok(
        run_handler(voice.worker, "CreateVoice", results={"text_task_id": written.value}, artifacts=tmp_path)
    )
    results = {
        "slide_ids": [await _slide(written.value, 1, tmp_path)],
        "voice_track_id": Done(spoken.ref, spoken.value),
    }
    made = await _ok(
        run_handler(video.worker, "CreateVideoFromSlides", params=SMALL, results=results, artifacts=tmp_path)
    )
    assert made.value["duration_s"] > 3


@pytest.mark.parametrize("resolution", ["160x90", "1920x1080", "1080X1920", "90x160", "4096x90"])
def test_a_resolution_is_read(resolution: str) -> None:
    assert parse_resolution(resolution) == tuple(int(side) for side in resolution.lower().split("x"))


@pytest.mark.parametrize("resolution", ["", "1920", "1920x", "-1x5", "100x100", "5000x100", "1e3x200"])
def test_a_resolution_of_another_form_is_refused(resolution: str) -> None:
    with pytest.raises(ValueError, match="1920x1080"):
        parse_resolution(resolution)


async def _slide(written: dict[str, Any], index: int, folder: Path, resolution: str = "320x180") -> Done:
    made = await _ok(
        run_handler(
            text.worker,
            "CreateSlidePrompt",
            results={"text_task_id": written},
            fields={"index": index, "total": 3},
        )
    )
    drawn = await _ok(
        run_handler(
            image.worker, "CreateSlide", results={"slide_prompt_id": made.value}, params={"resolution": resolution},
            artifacts=folder,
        )
    )  # fmt: skip
    return Done(drawn.ref, drawn.value)


async def _ok(running: Any) -> Ran:
    ran: Ran = await running
    assert ran.ok, ran.error
    return ran


def _differ(one: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(one, other).convert("L").point([0] * 40 + [255] * 216).getbbox() is not None
