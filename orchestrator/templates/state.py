"""The state of one rendering: tokens that stand for values, and the budget.

What `{{ }}` puts out never reaches the text. A token does: opaque, numbered, replaced by the value after the text
was parsed as YAML. So no value can become structure, and the text depends on the control flow only.
"""

import math
import re
import secrets
import time
from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import orjson
from jinja2 import Undefined

from orchestrator.templates.deferred import RUN_TIME, Deferred
from orchestrator.templates.limits import Limits
from orchestrator.templates.problems import Refused
from workers_sdk.protocol.keys import short_uuid

Json = Any
END: Final = "\uf8ff"
LINE_END: Final = "\uf8fe"
"""Ends a line mark: `prefix + number + LINE_END` says that the text after it stands on that template line."""
MAX_INT: Final = 2**53 - 1
_ITEMS_PER_TICK: Final = 32
"""Items that are compared in about the time of one step of a template."""


def new_prefix() -> str:
    """63 random bits as 5 private-use characters, which YAML takes as letters."""
    return "".join(chr(0xE000 + secrets.randbelow(6_300)) for _ in range(5))


PREFIX: Final = new_prefix()


@dataclass(frozen=True, slots=True)
class Given:
    """What a tree's tokens stand for: `values` by number, `names` of the ids that `SHORT_UUID` gave out, the scenario's `own` name."""

    values: list[Json]
    names: dict[str, str]
    own: str | None


class Rendering:
    """Tokens and budget of one rendering.

    `names` maps an id that `SHORT_UUID` gave out to its name; `values` maps a token's number to its value; `deferred` holds
    those of them that are known only at run time. `templates` are the names of those that tasks may run, None: not known.
    """

    __slots__ = (
        "_deadline",
        "_ids",
        "_memory",
        "_pattern",
        "_room",
        "_ticks",
        "_tokens",
        "deferred",
        "limits",
        "moment",
        "names",
        "now",
        "own",
        "prefix",
        "scenario_id",
        "templates",
        "values",
    )  # fmt: skip

    def __init__(
        self,
        scenario_id: str,
        own: str | None,
        now: datetime,
        limits: Limits,
        prefix: str,
        templates: Collection[str] | None = None,
    ) -> None:
        self.scenario_id = scenario_id
        self.own = own
        self.moment = now
        self.now = iso(now)
        self.limits = limits
        self.prefix = prefix
        self.templates = templates
        self.values: list[Json] = []
        self.deferred: dict[int, Deferred] = {}
        self.names: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._room = limits.max_output
        self._memory = limits.max_memory
        self._ticks = limits.max_ticks
        self._deadline = time.perf_counter() + limits.max_seconds

    @property
    def given(self) -> Given:
        """What was put out so far."""
        return Given(self.values, self.names, self.own)

    @property
    def settled(self) -> list[Json]:
        """The values, with null for those that are known only at run time."""
        if not self.deferred:
            return self.values
        return [None if number in self.deferred else value for number, value in enumerate(self.values)]

    def id_of(self, name: str) -> str:
        """Id of what the scenario calls `name`; its own name is the scenario."""
        found = self._ids.get(name)
        if found is None:
            found = self.scenario_id if name == self.own else short_uuid(self.scenario_id, name)
            self._ids[name] = found
            self.names[found] = name
        return found

    def token(self, value: Json) -> str:
        """Text that stands for a value. Raises Refused for what JSON cannot say or what is too much."""
        if type(value) is str:
            known = self._tokens.get(value)
            if known is not None:
                return known
            if value in self.names:
                self.values.append(value)
                known = self._tokens[value] = f"{self.prefix}{len(self.values) - 1}{END}"
                return known
            self._room -= len(value)
        elif value is not None and type(value) is not bool:
            value = self.plain(value) if type(value) is not Deferred else self._later(value)
        if self._room < 0:
            raise Refused(
                "output_too_large", f"the values are longer than {self.limits.max_output} characters"
            )
        self.values.append(value)
        return f"{self.prefix}{len(self.values) - 1}{END}"

    def _later(self, value: Deferred) -> Deferred:
        self._room -= 64
        self.deferred[len(self.values)] = value
        return value

    def expand(self, text: str) -> str:
        """Replace the tokens of a text by the texts of their values; drop line marks."""
        if self.prefix not in text:
            return text
        if self._pattern is None:
            self._pattern = re.compile(f"{self.prefix}([0-9]+)([{END}{LINE_END}])")
        values = self.values
        return self._pattern.sub(lambda m: to_text(values[int(m[1])]) if m[2] == END else "", text)

    def tick(self, steps: int = 1) -> None:
        """Count steps. Raises Refused when the budget is used up."""
        self._ticks -= steps
        if self._ticks < 0:
            raise Refused("template_timeout", f"more than {self.limits.max_ticks} loop turns and calls")
        self.check_time()

    def check_time(self) -> None:
        """Raise Refused when the time is over."""
        if time.perf_counter() > self._deadline:
            raise Refused("template_timeout", f"it took longer than {self.limits.max_seconds:g} s")

    def look_through(self, value: Any) -> None:
        """Pay for all that lies inside a value, as often as it lies there. Raises Refused."""
        inside = [value]
        while inside:
            some = inside.pop()
            self.tick(1 + len(some) // _ITEMS_PER_TICK)
            items = some.values() if isinstance(some, dict) else some
            inside += [item for item in items if isinstance(item, (list, tuple, dict))]

    def charge(self, size: int, *, items: bool = False) -> None:
        """Pay for a text or list about to be made. Raises Refused when it is too large."""
        bound = self.limits.max_items if items else self.limits.max_text
        self._memory -= size
        if size > bound or self._memory < 0:
            raise Refused(
                "template_memory",
                f"an expression makes a value of {size} {'items' if items else 'characters'}",
            )

    def plain(self, value: object) -> Json:
        """Copy of a value as JSON has it. Raises Refused for what JSON cannot say."""
        return self._plain(value, self.limits.max_depth)

    def _plain(self, value: object, depth: int) -> Json:
        """Copy of a value as JSON has it; pays for its texts."""
        if isinstance(value, Undefined):
            str(value)  # a strict undefined raises here and says its name
        self._room -= 8
        if isinstance(value, str):
            self._room -= len(value)
            return str(value)
        if isinstance(value, (list, tuple, range, dict)):
            return self._plain_items(value, depth - 1)
        return scalar(value)

    def _plain_items(self, value: list[Any] | tuple[Any, ...] | range | dict[Any, Any], depth: int) -> Json:
        self.check_time()
        if depth < 0:
            raise Refused("too_deep", f"a value is nested deeper than {self.limits.max_depth} levels")
        if self._room < 0:
            raise Refused(
                "output_too_large", f"the values are longer than {self.limits.max_output} characters"
            )
        if not isinstance(value, dict):
            return [self._plain(item, depth) for item in value]
        for key in value:
            if not isinstance(key, str):
                raise Refused("not_json", f"a key is {type(key).__name__}, not text")
        return {str(key): self._plain(item, depth) for key, item in value.items()}


CURRENT: Final[ContextVar[Rendering]] = ContextVar("rendering")
"""The rendering that the running template belongs to."""


def iso(moment: datetime) -> str:
    """`2025-06-26T10:34:12.349Z`. A moment without a zone is taken as UTC."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_text(value: Json) -> str:
    """Text of a value inside other text: itself, else its JSON."""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if type(value) is Deferred:
        raise Refused(
            RUN_TIME,
            f"{value!r} is known only at run time",
            "put it out where it belongs, not in a macro or block",
        )
    return orjson.dumps(value).decode()


def scalar(value: object) -> Json:
    """The value, if it is null, bool, or a number that JSON can carry. Raises Refused."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_INT:
            raise Refused("number_range", "an integer is beyond ±2^53", "send it as text")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Refused("number_range", f"a number is {value}", "NaN and infinity have no place in JSON")
        return float(value)
    return _not_json(value)


def _not_json(value: object) -> NoReturn:
    if type(value) is Deferred:
        raise value.refusal()
    kind = type(value).__name__
    hint = "add `| list`" if kind == "generator" else "put out a text, number, list or mapping"
    raise Refused("not_json", f"the expression gives a {kind}, not a JSON value", hint)
