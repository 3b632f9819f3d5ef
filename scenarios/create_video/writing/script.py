"""What a text task makes: a narration, and what each slide of it says."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from .language import capitalised, shorten

MAX_NARRATION_CHARS = 4_000
_MAX_TITLE = 70
_MAX_POINT = 80
_CLAUSE = re.compile(r"(?<=[,;:])\s+|\s+[—–]\s+")
_WORD = re.compile(r"\w{4,}")
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class SlideIdea:
    """What one slide says: a headline and at most three short points."""

    title: str
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """A narration. `outline` has an idea for each slide when the writer planned them, else it is empty."""

    title: str
    sentences: tuple[str, ...]
    language: str
    subject: str = ""
    outline: tuple[SlideIdea, ...] = ()

    @property
    def text(self) -> str:
        """The whole narration."""
        return " ".join(self.sentences)


def shares(items: Sequence[_Item], count: int) -> list[list[_Item]]:
    """Split items into `count` runs of nearly equal length, in order; some are empty when there are too few items."""
    edges = [round(i * len(items) / count) for i in range(count + 1)]
    return [list(items[a:b]) for a, b in pairwise(edges)]


def slides_from_sentences(title: str, sentences: Sequence[str], count: int) -> list[SlideIdea]:
    """Ideas for `count` slides in the words of a narration; slide i says what is spoken in the i-th share of it."""
    parts = list(sentences)
    if len(parts) < count:
        parts = [clause for sentence in parts for clause in _CLAUSE.split(sentence) if len(clause) > 3]
    if len(parts) < count:
        # Not enough to say: the cover stands alone and neighbouring slides share a thought.
        later = [_idea([parts[i * len(parts) // (count - 1)]]) for i in range(count - 1)] if parts else []
        ideas = [SlideIdea(""), *(later or [SlideIdea("")] * (count - 1))]
    else:
        ideas = [_idea(share) for share in shares(parts, count)]
    ideas[0] = SlideIdea(shorten(title, _MAX_TITLE) or ideas[0].title, _opening_points(title, ideas[0]))
    return _distinct(ideas, title)


def important(sentences: Sequence[str], limit: int = MAX_NARRATION_CHARS) -> list[str]:
    """The sentences that fit into `limit` characters, in their order: those with the text's most frequent words."""
    if sum(len(sentence) + 1 for sentence in sentences) <= limit:
        return list(sentences)
    frequency = Counter(word.lower() for sentence in sentences for word in _WORD.findall(sentence))
    ranked = sorted(range(len(sentences)), key=lambda i: (i > 0, -_weight(sentences[i], frequency), i))
    chosen: list[int] = []
    for i in ranked:
        if len(sentences[i]) < limit:
            chosen.append(i)
            limit -= len(sentences[i]) + 1
    return [sentences[i] for i in sorted(chosen)] or [shorten(sentences[0], limit)]


def _weight(sentence: str, frequency: Counter[str]) -> float:
    words = _WORD.findall(sentence)
    return sum(frequency[word.lower()] for word in words) / (len(words) + 3)


def _idea(share: Sequence[str]) -> SlideIdea:
    """The idea of a run of sentences: the first is the headline, the others are points."""
    if not share:
        return SlideIdea("")
    first = share[0].strip().rstrip(".;:,")
    title = shorten(first, _MAX_TITLE)
    rest = first[len(title) :].strip(" ,;:—–-") if first.startswith(title) else ""
    points = [text for text in (rest, *share[1:]) if len(text) > 3]
    return SlideIdea(
        capitalised(title), tuple(capitalised(shorten(point, _MAX_POINT)) for point in points[:3])
    )


def _opening_points(title: str, idea: SlideIdea) -> tuple[str, ...]:
    same = idea.title.casefold() == shorten(title, _MAX_TITLE).casefold()
    return (idea.points if same or not idea.title else (idea.title, *idea.points))[:3]


def _distinct(ideas: Sequence[SlideIdea], title: str) -> list[SlideIdea]:
    """The same ideas with no headline empty and none used twice."""
    seen: Counter[str] = Counter()
    result = []
    for idea in ideas:
        headline = idea.title or shorten(title, _MAX_TITLE)
        seen[headline] += 1
        again = f" · {seen[headline]}" if seen[headline] > 1 else ""
        result.append(SlideIdea(headline + again, idea.points))
    return result
