"""The sandbox: Jinja2 with what a scenario needs, by allow-lists, and every step paid for."""

import functools
from collections.abc import Iterable
from typing import Any, Final

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from orchestrator.templates.deferred import OF_TASKS, Deferred
from orchestrator.templates.functions import FILTERS, GLOBALS, METHODS, OF_RUN_TIME, TESTS, key_of
from orchestrator.templates.problems import Refused
from orchestrator.templates.state import CURRENT

_LOOP: Final = (
    "index",
    "index0",
    "revindex",
    "revindex0",
    "first",
    "last",
    "length",
    "previtem",
    "nextitem",
    "depth",
    "depth0",
)
_MAX_BITS: Final = 256
_CALLABLE: Final = frozenset((*GLOBALS.values(), *(OF_RUN_TIME[name] for name in OF_TASKS)))


@pass_context
def _finalize(_context: Context, value: object) -> str:
    return CURRENT.get().token(value)


def _concat(parts: Iterable[str]) -> str:
    """Join what a macro or a `{% set %}` block put out: a value like any other from here on, without tokens."""
    texts, state = list(parts), CURRENT.get()
    state.charge(sum(map(len, texts)))
    whole = state.expand("".join(texts))
    state.charge(len(whole))
    return whole


class Sandbox(ImmutableSandboxedEnvironment):
    """No loader, strict undefined, JSON values only; see `docs/templates.md` for what is allowed."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))
    concat = staticmethod(_concat)

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            finalize=_finalize,
            autoescape=False,
            optimized=False,
            cache_size=0,
            loader=None,
        )
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)
        self.globals = dict(GLOBALS)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call one of ours, a method of ours, or a macro; nothing else is callable."""
        CURRENT.get().tick()
        if type(obj) is Macro:
            return context.call(obj, *args, **kwargs)
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        if type(obj) is functools.partial or (obj.__hash__ is not None and obj in _CALLABLE):
            return obj(*args, **kwargs)
        if isinstance(obj, Undefined):
            return str(obj)  # raises, and says its name
        raise Refused("not_callable", f"a {type(obj).__name__} cannot be called")

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`: a method of the allow-list, a key of a mapping, a field of a loop or namespace."""
        method = METHODS.get(type(obj), {}).get(attribute)
        if method is not None:
            return functools.partial(method, obj)
        if isinstance(obj, dict):
            return self.getitem(obj, attribute)
        allowed = isinstance(obj, LoopContext) and attribute in _LOOP
        if allowed or (isinstance(obj, Namespace) and not attribute.startswith("_")):
            return getattr(obj, attribute, None) if allowed else self._of_namespace(obj, attribute)
        if type(obj) is Deferred:
            return obj.part(attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]` of a mapping, list or text; undefined when it is not there."""
        for part in (
            (argument.start, argument.stop, argument.step) if isinstance(argument, slice) else (argument,)
        ):
            key_of(part)
        if type(obj) is Deferred:
            return obj.part(argument)
        if not isinstance(obj, (dict, list, tuple, str, range)):
            return self.undefined(obj=obj, name=argument)
        try:
            found = obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)
        if isinstance(argument, slice):
            CURRENT.get().charge(len(found), items=not isinstance(found, str))
        return found

    def _of_namespace(self, obj: Namespace, attribute: str) -> Any:
        try:
            return getattr(obj, attribute)
        except AttributeError:
            return self.undefined(obj=obj, name=attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An arithmetic operator, on numbers of a sane size, or `+` and `*` on texts and lists of a sane length."""
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            _check_numbers(operator, left, right)
        elif not isinstance(left, Undefined) and not isinstance(right, Undefined):
            _check_sequences(operator, left, right)
        return self.binop_table[operator](left, right)


def _check_numbers(operator: str, left: float, right: float) -> None:
    bits = [side.bit_length() if isinstance(side, int) else 64 for side in (left, right)]
    power = operator == "**"
    if power and abs(right) > _MAX_BITS:
        raise Refused("template_memory", "an exponent is too large")
    if (bits[0] * abs(right) if power else max(bits)) > _MAX_BITS:
        raise Refused("template_memory", "a number is too large")


def _check_sequences(operator: str, left: Any, right: Any) -> None:
    state = CURRENT.get()
    if operator == "+" and isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)):
        return state.charge(len(left) + len(right), items=not isinstance(left, str))
    if operator == "*" and isinstance(left, int):
        left, right = right, left
    if operator == "*" and isinstance(left, (str, list, tuple)) and isinstance(right, int):
        return state.charge(len(left) * max(0, right), items=not isinstance(left, str))
    for side in (left, right):
        if type(side) is Deferred:
            raise side.refusal()
    raise Refused(
        "bad_expression", f"{operator!r} does not work on {type(left).__name__} and {type(right).__name__}"
    )


ENVIRONMENT: Final = Sandbox()
