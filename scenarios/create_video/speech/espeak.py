"""A process of its own that speaks with the eSpeak NG library: the system's, or that of the `espeakng-loader` wheel.

eSpeak NG is GPL-3, so its library is never loaded into a worker; the two talk over pipes:

    echo '{"text": "Hello", "voice": "en", "rate": 165, "library": null}' | python -m scenarios.create_video.speech.espeak > answer

Standard output carries one line of JSON `{"rate": Hz, "words": [[position, seconds], ...]}` (positions count
characters of the text from 0), then raw 16-bit samples.
Exit codes: 0, or 2 with the reason on standard error.
"""

import ctypes
import importlib
import json
import sys
from typing import Any

_SYNCHRONOUS = 2
_CHARACTERS = 1
_UTF8 = 1
_WORD = 1
_RATE_PARAMETER = 1
_DONT_EXIT = 0x8000


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def speak(text: str, voice: str, rate: int, name: str | None) -> tuple[int, list[tuple[int, float]], bytes]:
    """Speak a text. Returns the sample rate, words (position, seconds) and samples. Raises OSError.

    `name` is the library of the system; None takes that of the wheel.
    """
    library, data_folder = _load(name)
    hertz: int = library.espeak_Initialize(_SYNCHRONOUS, 0, data_folder, _DONT_EXIT)
    if hertz <= 0:
        raise OSError("eSpeak NG did not start: its data folder cannot be read")
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise OSError(f"eSpeak NG has no voice {voice!r}")
    library.espeak_SetParameter(_RATE_PARAMETER, rate, 0)
    words: list[tuple[int, float]] = []
    samples = bytearray()

    def receive(wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            samples.extend(ctypes.string_at(wave, count * 2))
        i = 0
        while events[i].type != 0:
            if events[i].type == _WORD:
                words.append((events[i].text_position - 1, events[i].audio_position / 1000))
            i += 1
        return 0

    callback = _Callback(receive)
    library.espeak_SetSynthCallback(callback)
    data = text.encode()
    failed = library.espeak_Synth(data, len(data) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    if failed or not samples:
        raise OSError("eSpeak NG made no sound")
    return hertz, words, bytes(samples)


def _load(name: str | None) -> tuple[ctypes.CDLL, bytes | None]:
    """The library and the folder of its data (None: the one it was built with)."""
    if name:
        return ctypes.CDLL(name), None
    loader: Any = importlib.import_module("espeakng_loader")
    return ctypes.CDLL(loader.get_library_path()), str(loader.get_data_path()).encode()


def main() -> int:
    """Read a request from standard input, write the answer to standard output."""
    request = json.load(sys.stdin)
    try:
        hertz, words, samples = speak(
            **{key: request[key] for key in ("text", "voice", "rate")}, name=request["library"]
        )
    except (OSError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.buffer.write(json.dumps({"rate": hertz, "words": words}).encode() + b"\n" + samples)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
