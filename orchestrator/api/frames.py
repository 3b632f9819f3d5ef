"""What goes through the pipe between the API and its renderers: a head in JSON and a body of bytes, each after its length."""

import asyncio
import struct
from typing import Any, BinaryIO, Final

import orjson

_LENGTHS: Final = struct.Struct(">II")

Json = Any


def packed(head: Json, body: bytes = b"") -> bytes:
    """A whole frame."""
    data = orjson.dumps(head)
    return _LENGTHS.pack(len(data), len(body)) + data + body


def read(pipe: BinaryIO) -> tuple[Json, bytes] | None:
    """The next frame; None when the other side is gone."""
    start = pipe.read(_LENGTHS.size)
    if len(start) < _LENGTHS.size:
        return None
    head, body = _LENGTHS.unpack(start)
    data = pipe.read(head + body)
    return (orjson.loads(data[:head]), data[head:]) if len(data) == head + body else None


async def receive(pipe: asyncio.StreamReader) -> tuple[Json, bytes]:
    """The next frame. Raises IncompleteReadError when the other side is gone."""
    head, body = _LENGTHS.unpack(await pipe.readexactly(_LENGTHS.size))
    return orjson.loads(await pipe.readexactly(head)), await pipe.readexactly(body)
