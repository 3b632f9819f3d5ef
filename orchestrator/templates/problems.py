"""What is wrong with a template, said so that its author can mend it."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["error", "warning"]
_OF_LIMITS: Final = frozenset(
    ("output_too_large", "template_memory", "template_timeout", "too_many_edges", "too_many_tasks")
)
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """One problem.

    `line` and `column` count from 1 and refer to the template file, 0 where there is none (a request variable).
    `code` is a stable word; `path` is the place in the rendered document, such as `tasks[3].consumers[0]`.
    """

    code: str
    message: str
    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    severity: Severity = "error"
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [
            place,
            f"{self.severity} {self.code}",
            f"{self.path}: {self.message}" if self.path else self.message,
        ]
        return ": ".join(parts) + (f" ({self.hint})" if self.hint else "")


class TemplateError(Exception):
    """A template, or what it was given, is not acceptable. `problems` holds all that was found."""

    def __init__(self, problems: Sequence[TemplateProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)

    @property
    def is_about_limits(self) -> bool:
        """Whether larger limits might have let it pass."""
        return any(problem.code in _OF_LIMITS for problem in self.problems)


class UnknownTemplate(LookupError):
    """No template has this name. `matches` holds the names that come close."""

    def __init__(self, name: str, matches: Sequence[str]) -> None:
        super().__init__(
            f"no template is named {name!r}" + (f", did you mean {matches[0]!r}?" if matches else "")
        )
        self.name = name
        self.matches = list(matches)


class Refused(Exception):
    """An expression asked for what is not given; the place is read from the traceback."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem whose place is still a mark of the parsed text: line * 2**20 + column, both from 0; -1 = nowhere."""

    code: str
    message: str
    mark: int = -1
    path: Path = ()
    hint: str = ""
    severity: Severity = "error"


QUOTE_IT: Final = "put it in quotes"
_JSON_WORDS: Final = {None: "null", True: "true", False: "false"}
"""Hint; where the place in the file is known, what goes into the quotes is added."""


def mark_of(line: int, column: int) -> int:
    """Pack a place (both from 0) into one number."""
    return line << 20 | (column if column < 0xFFFFF else 0xFFFFF)


def place_of(mark: int) -> tuple[int, int]:
    """Line and column (both from 0) of a mark."""
    return mark >> 20, mark & 0xFFFFF


def dotted(path: Path) -> str:
    """`("tasks", 3, "params", "a")` -> `tasks[3].params.a`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def shown(value: object) -> str:
    """A value for a message: short, on one line."""
    text = _JSON_WORDS[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def closest(word: str, known: Iterable[str]) -> list[str]:
    """Up to three known words that come close."""
    return difflib.get_close_matches(word[:200], list(known)[:2_000], n=3)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Hint with the closest known word, empty when none comes close."""
    matches = closest(word, known)
    return f"did you mean {matches[0]!r}?" if matches else ""
