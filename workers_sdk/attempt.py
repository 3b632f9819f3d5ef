"""One attempt as a pipeline: find the handler, validate the params, call it. Every way it can end is an outcome."""

from pydantic import ValidationError

from .context import Context
from .handlers import Handler, Handlers
from .outcome import Outcome, failed_as
from .pools import Pools


async def attempt(handlers: Handlers, ctx: Context, pools: Pools) -> Outcome:
    """Do the task of `ctx`.

    Raises:
        CancelledError: the caller was cancelled. ProcessDied: see `Pools.call`.
    """
    handler = handlers.get(ctx.name)
    if handler is None:
        return failed_as("unknown_task_name", handlers.why_not(ctx.name))
    return await _validated(handler, ctx, pools)


async def _validated(handler: Handler, ctx: Context, pools: Pools) -> Outcome:
    try:
        arguments = handler.arguments(ctx)
    except ValidationError as error:
        return failed_as("invalid_params", _in_words(error))
    except TypeError as error:
        return failed_as("invalid_params", str(error))
    return await pools.call(handler, arguments)


def _in_words(error: ValidationError) -> str:
    """One line per problem. Without the values: they may be long, or secret."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "\n".join(f"{'.'.join(str(part) for part in p['loc']) or 'params'}: {p['msg']}" for p in problems)
