"""The offline writer: works on the user's own words, says nothing it cannot know, and is named in its results."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from .language import capitalised, ended, shorten, split_sentences
from .phrases import PHRASES
from .request import Request, understand
from .script import (
    MAX_POINT,
    MAX_TITLE,
    Script,
    SlideIdea,
    important,
    shares,
    slides_from_sentences,
    word_starts,
)
from .vocabulary import Aspect, Phrases

NAME = "offline-writer"
_LONG_TEXT = 120
_MAX_DESCRIPTION = 50_000
_MAX_AGENDA = 60


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is said about one thing, and what a slide shows meanwhile."""

    title: str
    sentences: tuple[str, ...]
    points: tuple[str, ...]


def write_script(description: str, *, slides: int = 3, language: str = "auto") -> Script:
    """A narration and an outline for `slides` slides (1 to 50), each with a sentence of its own where there are enough.

    A long description is spoken in its own sentences; a short one gives the subject of a general text. The same
    description always gives the same script.
    """
    request = understand(description[:_MAX_DESCRIPTION], language)
    phrases = PHRASES.get(request.language)
    if phrases is None or _is_long(request):
        return _own_words(request, phrases, slides)
    cover = _unit(phrases.introduction, 1 if slides > 1 or request.details else 2)
    details = [_detail(i, request.details, phrases) for i in range(len(request.details))]
    units = [cover, *_filled(details, request, phrases, slides)]
    if details and units[-1] is details[-1]:
        units[-1] = _last_detail(request.details[-1], phrases)
    opening, closing = _frame(request, phrases)
    return _script(request.title or phrases.bare_title, _framed(units, opening, closing), request, slides)


def _script(title: str, units: Sequence[_Unit], request: Request, slides: int) -> Script:
    """The first unit is on the cover, with what comes below the subject; the others share the slides after it."""
    cover, *later = units
    sentences = [sentence for unit in units for sentence in unit.sentences]
    ideas = [SlideIdea(title, _agenda(later) or cover.points, 0)]
    spoken = len(cover.sentences)
    starts = word_starts(sentences)
    for group in shares(later, slides - 1) if slides > 1 else ():
        ideas.append(SlideIdea(group[0].title, _agenda(group[1:]) or group[0].points, starts[spoken]))
        spoken += sum(len(unit.sentences) for unit in group)
    return Script(title, tuple(sentences), request.language, request.subject, tuple(ideas))


def _is_long(request: Request) -> bool:
    own = request.own_sentences
    return (
        len(own) > 1
        or sum(map(len, own)) >= _LONG_TEXT
        or (bool(request.about) and bool(own) and own[0] != request.subject)
    )


def _own_words(request: Request, phrases: Phrases | None, slides: int) -> Script:
    """A script in the user's own sentences, with general ones after them when there are more slides than sentences.

    It has an opening and an end when the user asked for a text about something.
    """
    own = request.own_sentences or (request.subject,)
    asked = bool(request.subject) and not own[0].startswith(request.subject.rstrip("…"))
    body = [ended(sentence) for sentence in important(own)]
    title = request.title if asked else shorten(own[0], MAX_TITLE)
    opening, closing = _frame(request, phrases) if asked and phrases else ("", "")
    if phrases is None or len(body) >= slides:
        return _verbatim(title, body, (opening, closing), request, slides)
    units = [_Unit(capitalised(shorten(sentence, MAX_TITLE)), (sentence,), ()) for sentence in body]
    cover = _Unit(title, (), phrases.introduction.points) if asked else units.pop(0)
    units = [cover, *_filled(units, request, phrases, slides)]
    return _script(title, _framed(units, opening, closing or phrases.bare_closing), request, slides)


def _verbatim(
    title: str, body: Sequence[str], frame: tuple[str, str], request: Request, slides: int
) -> Script:
    opening, closing = frame
    sentences = [*split_sentences(opening), *body, *split_sentences(closing)]
    before = len(opening.split())
    first, *later = slides_from_sentences(title, body, slides)
    ideas = [first, *(replace(idea, first_word=before + (idea.first_word or 0)) for idea in later)]
    return Script(title, tuple(sentences), request.language, request.subject, tuple(ideas))


def _frame(request: Request, phrases: Phrases) -> tuple[str, str]:
    """How the narration begins and ends."""
    if not request.about:
        return phrases.bare_opening, phrases.bare_closing
    # Replaced, not formatted: the user's words may contain braces. A subject that was cut ends with its own dots.
    texts = (_pick(choices, request) for choices in (phrases.openings, phrases.closings))
    opening, closing = (text.replace("{about}", request.about).replace("….", "…") for text in texts)
    return opening, closing


def _framed(units: Sequence[_Unit], opening: str, closing: str) -> list[_Unit]:
    """The same units; the first begins with the opening, the last ends with the closing."""
    framed = list(units)
    if opening:
        framed[0] = replace(framed[0], sentences=(opening, *framed[0].sentences))
    framed[-1] = replace(framed[-1], sentences=(*framed[-1].sentences, *split_sentences(closing)))
    return framed


def _filled(units: Sequence[_Unit], request: Request, phrases: Phrases, slides: int) -> list[_Unit]:
    """The units after the cover: those given, then, where slides are left, general aspects and the conclusion."""
    room = slides - 1 - len(units)
    if room < 1:
        return list(units)
    aspects = _turned(phrases.aspects, request)
    each, more = divmod(room - 1, len(aspects))
    lines = 2 if slides <= 3 else 1
    parts = [
        _part(aspect, i, lines, phrases)
        for nth, aspect in enumerate(aspects)
        for i in range(each + (nth < more))
    ]
    return [*units, *parts, _unit(phrases.conclusion, 1 if slides > 2 else 2)]


def _unit(aspect: Aspect, lines: int) -> _Unit:
    return _Unit(aspect.title, aspect.lines[:lines], aspect.points)


def _part(aspect: Aspect, i: int, lines: int, phrases: Phrases) -> _Unit:
    """One of up to three slides of an aspect: its first sentence, its second one, its points in a sentence."""
    title = phrases.headlines[min(i, 2)].replace("{title}", aspect.title)
    points = aspect.points[i % 3 :] + aspect.points[: i % 3]
    if i < 2:
        return _Unit(title, aspect.lines[i : i + lines], points)
    recap = phrases.recaps[len(aspect.title) % len(phrases.recaps)]
    listed = ", ".join(point[:1].lower() + point[1:] for point in aspect.points)
    return _Unit(title, (recap.replace("{points}", listed),), points)


def _detail(index: int, details: Sequence[str], phrases: Phrases) -> _Unit:
    """The user's own point: it is the headline, alone, since nothing more is known about it."""
    line = phrases.next_details[index % len(phrases.next_details)] if index else phrases.first_detail
    return _spoken_detail(details[index], line)


def _last_detail(detail: str, phrases: Phrases) -> _Unit:
    """The user's last point when nothing but the end follows."""
    return _spoken_detail(detail, phrases.last_detail)


def _spoken_detail(detail: str, line: str) -> _Unit:
    sentence = line.replace("{detail}", detail.rstrip(".")).replace("….", "…")
    return _Unit(capitalised(shorten(detail, MAX_POINT)), (sentence,), ())


def _agenda(units: Sequence[_Unit]) -> tuple[str, ...]:
    return tuple(shorten(unit.title, _MAX_AGENDA) for unit in units[:3])


def _turned(aspects: Sequence[Aspect], request: Request) -> Sequence[Aspect]:
    turn = _number(request) % len(aspects)
    return [*aspects[turn:], *aspects[:turn]]


def _pick(choices: Sequence[str], request: Request) -> str:
    return choices[_number(request) % len(choices)]


def _number(request: Request) -> int:
    """A number that depends on the subject only, so that another subject gets another arrangement."""
    return int.from_bytes(sha256(request.subject.casefold().encode(errors="replace")).digest()[:4])
