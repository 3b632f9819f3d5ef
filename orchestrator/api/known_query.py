"""Refuses query parameters that a route does not have: a misspelt filter would list everything."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

from fastapi import Request

from .problems import MAX_ERRORS, FieldError, Problem

_MAX_NAME_CHARS: Final = 100


async def known_query(request: Request) -> None:
    """A dependency of all routes.

    Raises:
        Problem: 400, there is a parameter that the route does not declare, or one twice that is no list.
    """
    route = request.scope["route"]
    # Pages for people are in no schema, and mail programs add words of their own to a link.
    if not request.scope["query_string"] or not route.include_in_schema:
        return
    declared = {field.alias: _is_list(field.field_info.annotation) for field in _declared(route.dependant)}
    sent = request.query_params
    wrong = [_unknown(name, list(declared)) for name in sent if name not in declared]
    twice = [name for name, is_list in declared.items() if not is_list and len(sent.getlist(name)) > 1]
    wrong += [FieldError(parameter=name, detail="It may be given once.") for name in twice]
    if wrong:
        raise Problem("invalid_query", f"{wrong[0].parameter}: {wrong[0].detail}", errors=wrong[:MAX_ERRORS])


def _declared(dependant: Any) -> Iterator[Any]:
    """Query parameters of a route with those of what it depends on."""
    yield from dependant.query_params
    for one in dependant.dependencies:
        yield from _declared(one)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(get_origin(one) is list for one in get_args(annotation))


def _unknown(name: str, known: list[str]) -> FieldError:
    shown = name[:_MAX_NAME_CHARS]
    near = get_close_matches(shown.lower(), known, n=1)
    takes = f"there are: {', '.join(known)}" if known else "this address takes none"
    hint = f"did you mean `{near[0]}`?" if near else f"{takes}."
    return FieldError(parameter=shown, detail=f"There is no such query parameter; {hint}")
