"""Handlers: what `@worker.task` registers, and how their parameters are filled."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel

from .context import Context
from .outcome import Outcome, failed_as

Run = Literal["loop", "thread", "process"]


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that does a kind of task.

    Attributes:
        run: where: on the event loop, in a thread, in a process of its own.
        parameters: name -> model that the task's params are validated with, or None for the context.
    """

    name: str
    function: Callable[..., Any]
    run: Run
    parameters: dict[str, type[BaseModel] | None]

    @property
    def takes_context(self) -> bool:
        """Whether it can ask for what the task refers to."""
        return None in self.parameters.values()

    @property
    def bare(self) -> bool:
        """Whether it runs without a context, and so a little cheaper; one in a process needs it to be stopped."""
        return not self.parameters and self.run != "process"

    def arguments(self, ctx: Context) -> dict[str, Any]:
        """Arguments for one call. Raises pydantic.ValidationError, TypeError: the task's params do not fit."""
        return {
            name: ctx if model is None else model.model_validate(ctx.params)
            for name, model in self.parameters.items()
        }


class Handlers:
    """All handlers of a worker, by task name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Handler] = {}

    def add(self, handler: Handler) -> None:
        """Register. Raises ValueError when the name is taken."""
        if handler.name in self._by_name:
            raise ValueError(f"there are two handlers for {handler.name}")
        self._by_name[handler.name] = handler

    def get(self, name: str) -> Handler | None:
        """Handler of a task name."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """All names in order of registration."""
        return list(self._by_name)

    def unknown(self, name: str) -> Outcome:
        """Outcome of a task whose name has no handler."""
        close = get_close_matches(name, self._by_name, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it has: {', '.join(self._by_name) or 'none'}"
        return failed_as("unknown_task_name", f"this worker has no handler for {name}; {hint}")


def handler_of(name: str, function: Callable[..., Any], run: Run | None = None) -> Handler:
    """Inspect a function.

    Args:
        run: None: the loop for `async def`, else a thread.

    Raises:
        TypeError: a parameter is neither the context nor a pydantic model, or `run` does not fit the function.
    """
    on_loop = inspect.iscoroutinefunction(function)
    if run is not None and on_loop != (run == "loop"):
        raise TypeError(f"{name}: run={run!r} is not for {'async def' if on_loop else 'def'}")
    parameters = inspect.signature(function, eval_str=True).parameters
    models = {key: _model_of(name, parameter) for key, parameter in parameters.items()}
    return Handler(name, function, run or ("loop" if on_loop else "thread"), models)


def _model_of(name: str, parameter: inspect.Parameter) -> type[BaseModel] | None:
    kind = parameter.annotation
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise TypeError(f"{name}: a handler takes named parameters, not {parameter}")
    if kind is Context or (kind is parameter.empty and parameter.name in ("ctx", "context")):
        return None
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    raise TypeError(f"{name}: parameter {parameter} must be annotated with Context or a pydantic model")
