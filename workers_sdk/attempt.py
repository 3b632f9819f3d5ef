"""One attempt as a pipeline: validate the params, call the handler. Every way it can end is an outcome."""

from pydantic import ValidationError

from .context import Context
from .handlers import Handler
from .outcome import Outcome, failed_as
from .pools import Pools
from .protocol.messages import Malformed


async def attempt(handler: Handler, ctx: Context, pools: Pools) -> Outcome:
    """Do the task of `ctx`.

    Raises:
        CancelledError: the caller was cancelled. Malformed: the fields of the entry cannot be read.
    """
    try:
        arguments = handler.arguments(ctx)
    except ValidationError as error:
        return failed_as("invalid_params", _in_words(error))
    except TypeError as error:
        return failed_as("invalid_params", str(error))
    except Malformed:
        raise
    except Exception as error:  # a validator of the user's own
        return failed_as("invalid_params", f"{type(error).__name__}: {error}")
    return await pools.call(handler, arguments, ctx)


def _in_words(error: ValidationError) -> str:
    """One line per problem. Without the values: they may be long, or secret."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "\n".join(f"{'.'.join(str(part) for part in p['loc']) or 'params'}: {p['msg']}" for p in problems)
