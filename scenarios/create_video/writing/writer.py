"""The offline writer: works on the user's own words, says nothing it cannot know, and is named in its results."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from .language import capitalised, ended, shorten, split_sentences
from .phrases import PHRASES, Aspect, Phrases
from .request import Request, understand
from .script import Script, SlideIdea, important, shares, slides_from_sentences

NAME = "offline-writer"
_LONG_TEXT = 120
_MAX_DESCRIPTION = 50_000


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is said about one thing, and what a slide shows meanwhile."""

    title: str
    sentences: tuple[str, ...]
    points: tuple[str, ...]


def write_script(description: str, *, slides: int = 3, language: str = "auto") -> Script:
    """A narration of about 4 to 12 sentences and an outline for `slides` slides (at least 1).

    A long description is spoken in its own sentences; a short one gives the subject of a general text. The same
    description always gives the same script.
    """
    request = understand(description[:_MAX_DESCRIPTION], language)
    phrases = PHRASES.get(request.language)
    if phrases is None or _is_long(request):
        return _own_words(request, phrases, slides)
    first, *units = _units(request, phrases, slides)
    title = request.title or phrases.bare_title
    # The first slide is the cover: the subject, and below it what comes.
    cover = SlideIdea(title, tuple(unit.title for unit in units[:3]) or first.points)
    ideas = [cover, *(_merged(group) for group in shares(units, slides - 1))] if slides > 1 else [cover]
    sentences = [sentence for unit in (first, *units) for sentence in unit.sentences]
    return Script(
        title, tuple(_framed(sentences, request, phrases)), request.language, request.subject, tuple(ideas)
    )


def _is_long(request: Request) -> bool:
    own = request.own_sentences
    return (
        len(own) > 1
        or sum(map(len, own)) >= _LONG_TEXT
        or (bool(request.about) and bool(own) and own[0] != request.subject)
    )


def _own_words(request: Request, phrases: Phrases | None, slides: int) -> Script:
    """A script in the user's own sentences, with an opening and an end when the user asked for a text about something."""
    own = request.own_sentences or (request.subject,)
    asked = bool(request.subject) and not own[0].startswith(request.subject)
    body = [ended(sentence) for sentence in important(own)]
    sentences = _framed(body, request, phrases) if asked and phrases else body
    title = shorten(request.title if asked else own[0], 70)
    ideas = slides_from_sentences(title, body, slides)
    return Script(title, tuple(sentences), request.language, request.subject, tuple(ideas))


def _framed(body: Sequence[str], request: Request, phrases: Phrases) -> list[str]:
    opening = _pick(phrases.openings, request) if request.about else phrases.bare_opening
    closing = _pick(phrases.closings, request) if request.about else phrases.bare_closing
    # Replaced, not formatted: the user's words may contain braces.
    start, *end = (text.replace("{about}", request.about) for text in (opening, *split_sentences(closing)))
    return [start, *body, *end]


def _units(request: Request, phrases: Phrases, slides: int) -> list[_Unit]:
    """At least `slides` units: the introduction, the user's own points, general aspects where room is left, the end."""
    first = _unit(phrases.introduction, 1 if slides > 1 or request.details else 2)
    details = [_detail(i, request.details, phrases) for i in range(len(request.details))]
    room = max(0, slides - 2 - len(details))
    aspects = [_unit(aspect, 2 if slides <= 3 else 1) for aspect in _turned(phrases.aspects, request)]
    fill = [_again(aspects[i % len(aspects)], i // len(aspects)) for i in range(room)]
    end = [_unit(phrases.conclusion, 1 if slides > 2 else 2)] if slides > len(details) + 1 else []
    return [first, *details, *fill, *end]


def _unit(aspect: Aspect, lines: int) -> _Unit:
    return _Unit(aspect.title, aspect.lines[:lines], aspect.points)


def _again(unit: _Unit, times: int) -> _Unit:
    """An aspect that comes back: shown under a numbered headline, with its points turned, and not spoken twice."""
    if not times:
        return unit
    turn = times % len(unit.points)
    return _Unit(f"{unit.title} · {times + 1}", (), unit.points[turn:] + unit.points[:turn])


def _detail(index: int, details: Sequence[str], phrases: Phrases) -> _Unit:
    """The user's own point: it is the headline, alone, since nothing more is known about it."""
    line = phrases.next_details[index % len(phrases.next_details)]
    if index == 0:
        line = phrases.first_detail
    elif index == len(details) - 1:
        line = phrases.last_detail
    sentence = line.replace("{detail}", details[index].rstrip("."))
    return _Unit(capitalised(details[index]), (sentence,), ())


def _merged(group: Sequence[_Unit]) -> SlideIdea:
    """One slide for a run of units: the first gives the headline, the others become its points."""
    first, *others = group
    return SlideIdea(first.title, tuple(unit.title for unit in others[:3]) or first.points)


def _turned(aspects: Sequence[Aspect], request: Request) -> Sequence[Aspect]:
    turn = _number(request) % len(aspects)
    return [*aspects[turn:], *aspects[:turn]]


def _pick(choices: Sequence[str], request: Request) -> str:
    return choices[_number(request) % len(choices)]


def _number(request: Request) -> int:
    """A number that depends on the subject only, so that another subject gets another arrangement."""
    return int.from_bytes(sha256(request.subject.casefold().encode(errors="replace")).digest()[:4])
