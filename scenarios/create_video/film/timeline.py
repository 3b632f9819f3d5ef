"""When slides change and which words stand together in a subtitle, from the times of the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..speech.words import Word

_MAX_CUE_S = 6.0
_HOLD_S = 0.25


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


def cues(words: Sequence[Word], line_chars: int, duration: float) -> list[Cue]:
    """Subtitles of at most two lines of about `line_chars` characters; a sentence's end always ends a subtitle."""
    groups: list[list[Word]] = [[]]
    for word in words:
        if groups[-1] and _is_full(groups[-1], word, line_chars):
            groups.append([])
        groups[-1].append(word)
    groups = [group for group in groups if group]
    result = []
    for i, group in enumerate(groups):
        following = groups[i + 1][0].start if i + 1 < len(groups) else duration
        end = min(following, group[-1].end + _HOLD_S)
        text = " ".join(word.text for word in group)
        result.append(Cue(group[0].start, max(end, group[0].start + 0.05), balanced(text, line_chars)))
    return result


def _is_full(group: Sequence[Word], word: Word, line_chars: int) -> bool:
    length = sum(len(member.text) + 1 for member in group)
    if _ends_sentence(group[-1].text) or word.end - group[0].start > _MAX_CUE_S:
        return True
    if _ends_clause(group[-1].text) and length > line_chars:
        return True
    return length + len(word.text) > 1.8 * line_chars


def balanced(text: str, line_chars: int) -> tuple[str, ...]:
    """One line if the text fits into it, else two whose lengths are as equal as words allow."""
    if len(text) <= line_chars or " " not in text:
        return (text,)
    spaces = [i for i, ch in enumerate(text) if ch == " "]
    middle = min(spaces, key=lambda i: abs(len(text) - 2 * i))
    return text[:middle], text[middle + 1 :]


def _ends_sentence(text: str) -> bool:
    return text.rstrip("\"'»”)]")[-1:] in (".", "!", "?", "…")


def _ends_clause(text: str) -> bool:
    return text.rstrip("\"'»”)]")[-1:] in (",", ";", ":", "—", "–")
