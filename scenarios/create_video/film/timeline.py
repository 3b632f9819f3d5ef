"""When slides change and which words stand together in a subtitle, from the times of the words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..speech.words import Word

_MAX_CUE_S = 6.0
_HOLD_S = 0.25
_SHORTEST_SLIDE_S = 0.3

Fits = Callable[[str], bool]
"""Whether a text fits into one line of a subtitle."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: at most two lines, from `start` to `end` seconds."""

    start: float
    end: float
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one."""
        return " ".join(self.lines)


def planned_durations(
    words: Sequence[Word], first_words: Sequence[int | None], duration: float
) -> list[float] | None:
    """Seconds for which each slide is shown when it appears with its first word (counted from 0, at spaces).

    The first slide begins at once. None when the plan is not known for every slide or does not belong to these words.
    """
    # An engine may tell one time for a word and the dash after it.
    starts = [word.start for word in words for _ in word.text.split()]
    cuts = [0.0]
    for first in first_words[1:]:
        if first is None or not 0 <= first < len(starts):
            return None
        cuts.append(starts[first])
    shown = [later - earlier for earlier, later in zip(cuts, [*cuts[1:], duration], strict=True)]
    return shown if min(shown) >= _SHORTEST_SLIDE_S or len(shown) == 1 else None


def slide_durations(words: Sequence[Word], slides: int, duration: float) -> list[float]:
    """Seconds for which each slide is shown; they sum up to `duration`.

    Slides change where a sentence ends, else at a comma, else between two words, as near to equal shares as that allows.
    """
    share = duration / slides
    cuts = [0.0]
    for i in range(1, slides):
        target = i * share
        low = max(cuts[-1] + 0.4 * share, target - 0.45 * share)
        high = min(target + 0.45 * share, duration - 0.4 * share * (slides - i))
        found = [cut for cut in _cuts(words, share) if low <= cut[0] <= high]
        best = min(
            found, key=lambda cut: abs(cut[0] - target) + cut[1], default=(max(low, min(target, high)), 0.0)
        )
        cuts.append(best[0])
    return [later - earlier for earlier, later in zip(cuts, [*cuts[1:], duration], strict=True)]


def _cuts(words: Sequence[Word], share: float) -> list[tuple[float, float]]:
    """Seconds at which the slide may change, each with what it costs to change there instead of at a sentence's end."""
    cuts = []
    for word, following in pairwise(words):
        cost = 0.0 if _ends_sentence(word.text) else 0.25 * share if _ends_clause(word.text) else 0.5 * share
        cuts.append((following.start, cost))
    return cuts


def cues(words: Sequence[Word], fits: Fits, duration: float) -> list[Cue]:
    """Subtitles of at most two lines that fit; a sentence's end always ends one. A word longer than a line is broken."""
    groups: list[list[Word]] = [[]]
    for piece in (piece for word in words for piece in _pieces(word, fits)):
        if groups[-1] and _is_full(groups[-1], piece, fits):
            groups.append([])
        groups[-1].append(piece)
    groups = [group for group in groups if group]
    result = []
    for i, group in enumerate(groups):
        following = groups[i + 1][0].start if i + 1 < len(groups) else duration
        end = min(following, group[-1].end + _HOLD_S)
        lines = in_lines(_text(group), fits) or (_text(group),)
        result.append(Cue(group[0].start, max(end, group[0].start + 0.05), lines))
    return result


def _pieces(word: Word, fits: Fits) -> list[Word]:
    """The word, or its pieces that fit into a line each, with their share of its time."""
    pieces, rest = [], word.text
    while not fits(rest) and len(rest) > 1:
        size = 1
        while fits(rest[: size + 1]):
            size += 1
        pieces.append(rest[:size])
        rest = rest[size:]
    edges = [word.start]
    for piece in (*pieces, rest):
        edges.append(edges[-1] + (word.end - word.start) * len(piece) / len(word.text))
    return [
        Word(start, end, piece) for (start, end), piece in zip(pairwise(edges), (*pieces, rest), strict=True)
    ]


def _text(group: Sequence[Word]) -> str:
    return " ".join(word.text for word in group)


def _is_full(group: Sequence[Word], word: Word, fits: Fits) -> bool:
    if _ends_sentence(group[-1].text) or word.end - group[0].start > _MAX_CUE_S:
        return True
    if _ends_clause(group[-1].text) and not fits(_text(group)):
        return True
    return in_lines(_text([*group, word]), fits) is None


def in_lines(text: str, fits: Fits) -> tuple[str, ...] | None:
    """One line if the text fits into it, else two whose lengths are as equal as words allow; None if two do not hold it."""
    if fits(text):
        return (text,)
    halves = [(text[:i], text[i + 1 :]) for i, ch in enumerate(text) if ch == " "]
    fitting = [(one, other) for one, other in halves if fits(one) and fits(other)]
    return min(fitting, key=lambda half: abs(len(half[0]) - len(half[1])), default=None)


def _ends_sentence(text: str) -> bool:
    return text.rstrip("\"'»”)]")[-1:] in (".", "!", "?", "…")


def _ends_clause(text: str) -> bool:
    return text.rstrip("\"'»”)]")[-1:] in (",", ";", ":", "—", "–")
