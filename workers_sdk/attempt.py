"""One attempt as a pipeline: validate the params, call the handler. Every way it can end is an outcome."""

from pydantic import ValidationError

from .context import Context
from .handlers import Handler
from .outcome import Outcome, failed_as
from .pools import Pools


async def attempt(handler: Handler, ctx: Context, pools: Pools) -> Outcome:
    """Do the task of `ctx`.

    Raises:
        CancelledError: the caller was cancelled. ProcessDied: see `Pools.call`.
    """
    try:
        arguments = handler.arguments(ctx)
    except ValidationError as error:
        return failed_as("invalid_params", _in_words(error))
    except TypeError as error:
        return failed_as("invalid_params", str(error))
    return await pools.call(handler, arguments, ctx)


def _in_words(error: ValidationError) -> str:
    """One line per problem. Without the values: they may be long, or secret."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "\n".join(f"{'.'.join(str(part) for part in p['loc']) or 'params'}: {p['msg']}" for p in problems)
