"""Values that a template names before they exist: what other tasks will have given, the item of a `foreach`, and the event
that led to a state."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NoReturn

import orjson

from orchestrator.templates.problems import Refused

Json = Any
Of = Literal["result", "results", "result_ref", "status", "item", "index", "event"]
Part = str | int

OF_TASKS: Final[tuple[Of, ...]] = ("result", "results", "result_ref", "status")
OF_ITEMS: Final[tuple[Of, ...]] = ("item", "index")
OF_EVENT: Final[Of] = "event"
EVENT_PARTS: Final = ("name", "data", "by", "from")
_WITH_PARTS: Final = frozenset(("result", "results", "item", OF_EVENT))
MAX_PARTS: Final = 32
RUN_TIME: Final = "known_at_run_time"
"""Code of the problem that something was asked of a value which is not there yet."""
_COMPUTE: Final = "it can only be put in; compute with it in `when:` or in the worker"
_LOOP: Final = "to make one task of each of its items, use `foreach:`"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Deferred:
    """`result('Split').parts[0]`: whose it is (`word` names tasks, else it is empty) and the way into it.

    `default` holds the value to be taken when there is none, if one was given; `or_empty`: also in place of null, false,
    0 and what is empty. Any use but taking a part raises Refused.
    """

    of: Of
    word: str = ""
    path: tuple[Part, ...] = ()
    default: tuple[Json, ...] = ()
    or_empty: bool = False

    def part(self, part: object) -> "Deferred":
        """The value one step further in. Raises Refused."""
        if self.of not in _WITH_PARTS or self.default:
            what = "is a value without parts" if self.of not in _WITH_PARTS else "has its default already"
            raise Refused("bad_expression", f"{self!r} {what}")
        if not isinstance(part, (str, int)) or isinstance(part, bool):
            raise Refused("bad_expression", f"a part of {self!r} is named by a text or a number")
        if isinstance(part, str) and part.startswith("_"):
            raise Refused("not_allowed", f"the attribute {part!r} is not given to templates")
        if len(self.path) >= MAX_PARTS:
            raise Refused("too_deep", f"a way into a result has at most {MAX_PARTS} steps")
        return replace(self, path=(*self.path, part))

    def otherwise(self, default: Json, *, or_empty: bool) -> "Deferred":
        """The same with a default."""
        return replace(self, default=(default,), or_empty=or_empty)

    def refusal(self, hint: str = _COMPUTE) -> Refused:
        """What to raise where the value itself would be needed."""
        return Refused(RUN_TIME, f"{self!r} is known only at run time", hint)

    def __repr__(self) -> str:
        whose = f"{self.of}({self.word!r})" if self.of in OF_TASKS else self.of
        return whose + "".join(
            f".{part}" if isinstance(part, str) and part.isidentifier() else f"[{part!r}]"
            for part in self.path
        )

    def _refuse(self, *_args: object, **_more: object) -> NoReturn:
        raise self.refusal()

    def __iter__(self) -> NoReturn:
        raise self.refusal(_LOOP)

    def __eq__(self, other: object) -> NoReturn:
        raise self.refusal()

    __hash__ = __ne__ = __bool__ = __str__ = __format__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __len__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = __pos__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _refuse
    __pow__ = __rpow__ = __int__ = __float__ = __index__ = __round__ = __abs__ = _refuse


def signature(deferred: Mapping[int, Deferred]) -> str:
    """What of the deferred values of a rendering, by token number, shapes its plan."""
    return orjson.dumps([(number, some.of, some.word) for number, some in deferred.items()]).decode()
