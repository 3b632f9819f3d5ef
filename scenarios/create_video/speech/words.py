"""When each word is spoken: what subtitles and slide changes follow."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_PAUSE = {".": 8.0, "!": 8.0, "?": 8.0, "…": 8.0, ",": 3.0, ";": 5.0, ":": 5.0, "—": 3.0}


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its punctuation, and the seconds from the start of the sound at which it begins and ends."""

    start: float
    end: float
    text: str


def proportional(text: str, duration: float) -> list[Word]:
    """Word times by the length of the words and the pauses of their punctuation, for engines that report none."""
    words = text.split()
    weights = [(len(re.sub(r"\W", "", word)) + 1.5, _PAUSE.get(word[-1], 0.0)) for word in words]
    total = sum(spoken + pause for spoken, pause in weights) - (weights[-1][1] if weights else 0)
    scale = duration / total if total else 0.0
    result, now = [], 0.0
    for word, (spoken, pause) in zip(words, weights, strict=True):
        result.append(Word(round(now, 3), round(min(duration, now + spoken * scale), 3), word))
        now += (spoken + pause) * scale
    return result


def from_characters(characters: Sequence[str], starts: Sequence[float], ends: Sequence[float]) -> list[Word]:
    """Word times from the times of single characters, as some services report them."""
    words: list[Word] = []
    text, start, end = "", 0.0, 0.0
    for character, first, last in [*zip(characters, starts, ends, strict=False), (" ", 0.0, 0.0)]:
        if not character.isspace():
            text, start, end = text + character, start if text else first, last
        elif text:
            words.append(Word(round(start, 3), round(end, 3), text))
            text = ""
    return words


def to_json(words: Sequence[Word]) -> list[list[float | str]]:
    """The wire form: `[[start, end, word], ...]`."""
    return [[word.start, word.end, word.text] for word in words]


def from_json(value: object) -> list[Word]:
    """Words of the wire form; what is not in that form is left out, and times never go back."""
    words: list[Word] = []
    for item in value if isinstance(value, list) else []:
        if (
            isinstance(item, list)
            and len(item) == 3
            and isinstance(item[0], int | float)
            and isinstance(item[1], int | float)
        ):
            start = max(float(item[0]), words[-1].end if words else 0.0)
            words.append(Word(start, max(start, float(item[1])), str(item[2])))
    return words
