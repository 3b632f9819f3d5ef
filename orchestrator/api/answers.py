"""Responses of JSON that is known to be right: no model goes over it again."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response

Json = Any


def json_response(value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The value as JSON; bytes are taken as JSON already."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return Response(body, status, headers, media_type="application/json")
