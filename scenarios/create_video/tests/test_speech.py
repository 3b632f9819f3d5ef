"""Speech without a service: audible, with times that follow the words."""

import importlib.util
import math
from array import array
from pathlib import Path

import pytest

from scenarios.create_video.errors import ProviderError
from scenarios.create_video.speech import engines
from scenarios.create_video.speech.engines import speak_offline
from scenarios.create_video.speech.sound import Sound, evenly_loud, from_pcm, from_wav, mean_db
from scenarios.create_video.speech.words import Word, from_characters, from_json, proportional, to_json

SILENCE = Sound(array("h", [0] * 1000), 8000)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Сегодня поговорим про котов. Это интересно, правда!", "ru"),
        ("Today we talk about cats. In the end, all is well!", "en"),
    ],
)
def test_speech_is_audible_and_every_word_has_its_time(text: str, language: str) -> None:
    spoken = speak_offline(text, language)
    sound = evenly_loud(spoken.sound)
    assert 2 < sound.duration < 12
    assert -24 < mean_db(sound) < -12
    assert [word.text for word in spoken.words] == text.split()
    starts = [word.start for word in spoken.words]
    assert starts == sorted(starts)
    assert all(word.start <= word.end <= sound.duration + 0.01 for word in spoken.words)
    assert spoken.timing in ("tts-events", "proportional")


def test_numbers_marks_and_braces_stay_in_the_words() -> None:
    text = "В 2024 году — кот {x} \\N был 10 000 раз!\nДа…"
    words = speak_offline(text, "ru").words
    assert " ".join(word.text for word in words) == " ".join(text.split())


def test_another_take_is_another_voice() -> None:
    assert speak_offline("Привет", "ru", 1).sound.samples != speak_offline("Привет", "ru", 2).sound.samples


def test_an_unknown_language_fails_with_words() -> None:
    with pytest.raises(ProviderError, match="failed"):
        speak_offline("Hello", "xx-nowhere")


def test_without_an_engine_the_error_says_what_to_install(bare: None) -> None:
    with pytest.raises(ProviderError, match="espeakng-loader") as caught:
        speak_offline("Привет", "ru")
    assert caught.value.code == "not_installed"


@pytest.mark.parametrize(("program", "language"), [("flite", "en"), ("espeak-ng", "ru")])
def test_a_program_alone_speaks_sentence_by_sentence(
    program: str, language: str, bare: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The program stands in for the real one: it writes half a second of sound where it is told to."""
    (tmp_path / "one.wav").write_bytes(_tone(0.5).to_wav())
    script = tmp_path / program
    script.write_text(f'#!/bin/sh\nfor last; do :; done\n/bin/cp "{tmp_path}/one.wav" "$last"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    spoken = speak_offline("One two. Three.", language)
    assert (spoken.provider, spoken.timing) == (program, "proportional")
    assert [(word.start, word.text) for word in spoken.words if word.text != "two."] == [
        (0, "One"),
        (0.85, "Three."),
    ]
    assert spoken.sound.duration == pytest.approx(1.35)


def test_the_library_of_the_wheel_speaks_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_library", lambda name: None)
    spoken = speak_offline("Привет, мир!", "ru")
    assert (spoken.provider, spoken.timing) == ("espeakng-loader", "tts-events")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any speech engine."""
    monkeypatch.setattr(engines, "find_library", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")


def test_loudness_is_brought_to_the_aim_without_clipping() -> None:
    for level in (0.001, 0.05, 0.9):
        loud = evenly_loud(_tone(level))
        assert mean_db(loud) == pytest.approx(-18, abs=1.5)
        assert max(abs(sample) for sample in loud.samples) < 32767
    assert evenly_loud(SILENCE) == SILENCE
    assert mean_db(SILENCE) == -math.inf


def test_a_wav_file_comes_back_as_it_was() -> None:
    tone = _tone(0.3)
    assert from_wav(tone.to_wav()) == tone
    assert from_pcm(tone.samples.tobytes() + b"x", 8000).samples == tone.samples
    with pytest.raises(ProviderError, match="not a WAV file"):
        from_wav(b"something else")


def test_proportional_times_grow_with_the_words_and_fill_the_sound() -> None:
    words = proportional("Кот, который гуляет сам по себе. Да!", 10.0)
    assert words[0].start == 0
    assert words[-1].end == pytest.approx(10.0, abs=0.01)
    assert words[1].end - words[1].start > words[0].end - words[0].start
    assert words[1].start > words[0].end
    assert proportional("", 3.0) == []


def test_times_of_characters_become_times_of_words() -> None:
    words = from_characters("Hi, you", [0.1 * i for i in range(7)], [0.1 * i + 0.1 for i in range(7)])
    assert [(word.text, word.start, word.end) for word in words] == [("Hi,", 0.0, 0.3), ("you", 0.4, 0.7)]


def test_words_survive_the_wire_and_bad_ones_are_left_out() -> None:
    words = [Word(0.0, 0.5, "кот"), Word(0.5, 1.0, "спит.")]
    assert from_json(to_json(words)) == words
    assert from_json([[0, 1, "a"], "b", [1, "x", "c"], [0.5, 0.2, "d"], None]) == [
        Word(0, 1, "a"),
        Word(1, 1, "d"),
    ]
    assert from_json({"no": "list"}) == []


def _tone(level: float) -> Sound:
    return Sound(array("h", (round(32767 * level * math.sin(i / 7)) for i in range(4000))), 8000)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_very_long_word_is_spoken_to_its_end(language: str) -> None:
    syllable = "кота" if language == "ru" else "kiti"
    one, two = (speak_offline(f"{syllable * count} {syllable}.", language) for count in (30, 60))
    assert [word.text for word in two.words] == [syllable * 60, f"{syllable}."]
    assert two.sound.duration > 1.7 * one.sound.duration
    assert two.words[1].start > 0.9 * two.sound.duration
