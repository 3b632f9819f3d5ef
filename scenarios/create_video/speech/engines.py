"""Speech without any service: flite for English, eSpeak NG for every language. Each runs as a process of its own."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path

from ..errors import ProviderError
from ..writing.language import split_sentences
from .sound import Sound, from_pcm, from_wav
from .words import Word, proportional

# Words a minute: calmer than eSpeak's own 175, so that it is easier to follow.
_RATE = 155
_TIMEOUT_S = 120
_PAUSE_S = 0.35
# eSpeak NG forgets what follows after about 120 letters of a word.
_LONGEST_WORD = 60
_LONG_WORD = re.compile(rf"(\S{{{_LONGEST_WORD}}})(?=\S)")
_SOURCE, _TARGET = "<text file>", "<sound file>"
_CHILD = "scenarios.create_video.speech.espeak"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A spoken text. `timing` says where the word times come from: `tts-events` or `proportional`."""

    sound: Sound
    words: tuple[Word, ...]
    provider: str
    timing: str


def speak_offline(text: str, language: str, take: int = 1) -> Spoken:
    """Speak with the first engine that is installed. `take` above 1 asks for another voice.

    Raises ProviderError when no engine is installed, or the one there is fails.
    """
    if language == "en" and shutil.which("flite"):
        voice = ("slt", "rms", "awb", "kal")[(take - 1) % 4]
        return _by_files("flite", text, ["flite", "-voice", voice, "-f", _SOURCE, "-o", _TARGET])
    voice = language + ("", "+f2", "+m3", "+f4")[(take - 1) % 4]
    system = find_library("espeak-ng")
    if system or importlib.util.find_spec("espeakng_loader"):
        return _espeak_library(text, voice, system)
    if shutil.which("espeak-ng"):
        command = ["espeak-ng", "-v", voice, "-s", str(_RATE), "-b", "1", "-f", _SOURCE, "-w", _TARGET]
        return _by_files("espeak-ng", text, command)
    raise ProviderError(
        "not_installed",
        "no speech engine: install the extra `tts` (package espeakng-loader), or the program espeak-ng, or flite for "
        "English; or set ELEVENLABS_API_KEY or OPENAI_API_KEY",
    )


def _by_files(provider: str, text: str, command: Sequence[str]) -> Spoken:
    """Speak with a program that reads a text file and writes a WAV file, and tells no times.

    It speaks sentence by sentence, so that at least the start of every sentence is exact.
    """
    samples: array[int] = array("h")
    words: list[Word] = []
    rate = 0
    with tempfile.TemporaryDirectory() as folder:
        for sentence in split_sentences(text):
            sound = _sentence(provider, sentence, command, Path(folder))
            if rate:
                samples.extend([0] * round(rate * _PAUSE_S))
            rate = sound.rate
            start = len(samples) / rate
            spoken = proportional(sentence, sound.duration)
            words += [Word(round(start + w.start, 3), round(start + w.end, 3), w.text) for w in spoken]
            samples.extend(sound.samples)
    return Spoken(Sound(samples, rate), tuple(words), provider, "proportional")


def _sentence(provider: str, sentence: str, command: Sequence[str], folder: Path) -> Sound:
    source, target = folder / "text.txt", folder / "speech.wav"
    source.write_text(_LONG_WORD.sub(r"\1 ", sentence), encoding="utf-8")
    names = {_SOURCE: str(source), _TARGET: str(target)}
    _run(provider, [names.get(part, part) for part in command], b"")
    return from_wav(target.read_bytes() if target.exists() else b"")


def _espeak_library(text: str, voice: str, library: str | None) -> Spoken:
    """Speak with the library of eSpeak NG, in a process of its own: it tells when each word begins."""
    provider = "espeak-ng" if library else "espeakng-loader"
    sayable = _LONG_WORD.sub(r"\1 ", text)
    request = json.dumps({"text": sayable, "voice": voice, "rate": _RATE, "library": library}).encode()
    answer = _run(provider, [sys.executable, "-m", _CHILD], request)
    head, _, samples = answer.partition(b"\n")
    facts = json.loads(head)
    sound = from_pcm(samples, facts["rate"])
    # Every space put in moved what follows it by one.
    added = [match.end() + i for i, match in enumerate(_LONG_WORD.finditer(text))]
    events = [[position - bisect_left(added, position), second] for position, second in facts["words"]]
    words = _words(text, events, sound.duration)
    return Spoken(sound, tuple(words), provider, "tts-events")


def _words(text: str, events: list[list[float]], duration: float) -> list[Word]:
    """Words of the text, each from its own event to the next word's.

    The engine may report one event for two words ("in the") and several for one ("2024"); marks that stand alone
    belong to the word before them.
    """
    tokens: list[tuple[str, float | None]] = []
    for match in re.finditer(r"\S+", text):
        inside = [second for position, second in events if match.start() <= position < match.end()]
        if tokens and not inside and not any(ch.isalnum() for ch in match.group()):
            tokens[-1] = (f"{tokens[-1][0]} {match.group()}", tokens[-1][1])
        else:
            tokens.append((match.group(), inside[0] if inside else None))
    starts = [*_filled([start for _, start in tokens], duration), duration]
    return [Word(round(starts[i], 3), round(starts[i + 1], 3), word) for i, (word, _) in enumerate(tokens)]


def _filled(starts: Sequence[float | None], duration: float) -> list[float]:
    """The same starts, never going back, with the missing ones spread between their neighbours."""
    result: list[float] = []
    for i, start in enumerate(starts):
        last = result[-1] if result else 0.0
        if start is None:
            ahead = next(
                ((n, later) for n, later in enumerate(starts[i:], 1) if later is not None),
                (len(starts) - i + 1, duration),
            )
            start = last + (max(last, ahead[1]) - last) / ahead[0] if result else 0.0
        result.append(min(duration, max(last, start)))
    return result


def _run(provider: str, command: Sequence[str], data: bytes) -> bytes:
    try:
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ProviderError("upstream", f"{provider} did not finish within {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()[-300:]
        raise ProviderError("upstream", f"{provider} failed: {reason or f'exit code {done.returncode}'}")
    return done.stdout
