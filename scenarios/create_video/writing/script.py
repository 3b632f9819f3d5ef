"""What a text task makes: a narration, and what each slide of it says."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeVar

from .language import capitalised, shorten

MAX_NARRATION_CHARS = 4_000
MAX_TITLE = 70
MAX_POINT = 80
_WORD = re.compile(r"\w{4,}")
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class SlideIdea:
    """What one slide says: a headline and at most three short points.

    `first_word` is the word of the narration (split at spaces, from 0) that is spoken when the slide appears; None when
    the slide belongs to no place of it.
    """

    title: str
    points: tuple[str, ...] = ()
    first_word: int | None = None


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


def word_starts(sentences: Sequence[str]) -> list[int]:
    """For each sentence the number of its first word in the whole text."""
    return [0, *accumulate(len(sentence.split()) for sentence in sentences)][: len(sentences)]


def slides_from_sentences(title: str, sentences: Sequence[str], count: int) -> list[SlideIdea]:
    """Ideas for `count` slides in the words of a narration; slide i says what is spoken in the i-th share of it."""
    if not sentences:
        ideas = [SlideIdea("")] * count
    elif len(sentences) < count:
        ideas = _stretched(sentences, count)
    else:
        frequency, starts = _frequency(sentences), word_starts(sentences)
        edges = [*_even_edges(starts, len(" ".join(sentences).split()), count), len(sentences)]
        ideas = [_idea(sentences[a:b], frequency, starts[a]) for a, b in pairwise(edges)]
    cover = shorten(title, MAX_TITLE) or ideas[0].title
    ideas[0] = SlideIdea(cover, _opening_points(cover, ideas[0]), ideas[0].first_word)
    return _distinct(ideas, title)


def _even_edges(starts: Sequence[int], words: int, count: int) -> list[int]:
    """The sentence with which each of `count` slides begins, so that each has one and all take nearly the same time."""
    edges = [0]
    for i in range(1, count):
        choices = range(edges[-1] + 1, len(starts) - (count - i) + 1)
        edges.append(min(choices, key=lambda choice: abs(starts[choice] - words * i / count)))
    return edges


def _stretched(sentences: Sequence[str], count: int) -> list[SlideIdea]:
    """Ideas when there are fewer sentences than slides: neighbours share a sentence, and each shows in its part of it."""
    ideas = []
    for start, sentence, places in zip(
        word_starts(sentences), sentences, shares(range(count), len(sentences)), strict=True
    ):
        words = len(sentence.split())
        ideas += [
            _idea([sentence], Counter(), start + place * words // len(places)) for place in range(len(places))
        ]
    return ideas


def important(sentences: Sequence[str], limit: int = MAX_NARRATION_CHARS) -> list[str]:
    """The sentences that fit into `limit` characters, in their order: those with the text's most frequent words."""
    if sum(len(sentence) + 1 for sentence in sentences) <= limit:
        return list(sentences)
    frequency = _frequency(sentences)
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


def _frequency(sentences: Sequence[str]) -> Counter[str]:
    return Counter(word.lower() for sentence in sentences for word in _WORD.findall(sentence))


def _idea(share: Sequence[str], frequency: Counter[str], first_word: int) -> SlideIdea:
    """The idea of a run of sentences: the first is the headline; points are the weightiest others, whole ones first."""
    headline, *others = share
    rank = sorted(
        range(len(others)), key=lambda i: (len(others[i]) > MAX_POINT, -_weight(others[i], frequency), i)
    )
    points = tuple(capitalised(shorten(others[i], MAX_POINT)) for i in sorted(rank[:3]))
    return SlideIdea(capitalised(shorten(headline.strip(), MAX_TITLE)), points, first_word)


def _opening_points(title: str, idea: SlideIdea) -> tuple[str, ...]:
    same = idea.title.casefold() == title.casefold()
    return (idea.points if same or not idea.title else (idea.title, *idea.points))[:3]


def _distinct(ideas: Sequence[SlideIdea], title: str) -> list[SlideIdea]:
    """The same ideas with no headline empty and none used twice."""
    seen: Counter[str] = Counter()
    result = []
    for idea in ideas:
        headline = idea.title or shorten(title, MAX_TITLE)
        seen[headline] += 1
        again = f" · {seen[headline]}" if seen[headline] > 1 else ""
        result.append(SlideIdea(headline + again, idea.points, idea.first_word))
    return result
