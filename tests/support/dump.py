"""The whole state of a server as plain values, to be compared."""

from typing import Any

from workers_sdk.protocol.link import Link


async def dump(link: Link, *, but: tuple[bytes, ...] = ()) -> dict[bytes, Any]:
    """Every key with its content; of streams also groups, consumers and pending entries (not idle times). `but` is left out."""
    keys = sorted(await link.execute("KEYS", "*"))
    return {key: await _content(link, key) for key in keys if key not in but}


async def _content(link: Link, key: bytes) -> Any:
    kind = (await link.execute("TYPE", key)).decode()
    if kind == "hash":
        flat = await link.execute("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2], strict=True))
    if kind == "stream":
        return {"entries": await link.execute("XRANGE", key, "-", "+"), "groups": await _groups(link, key)}
    command = {
        "string": ("GET", key),
        "set": ("SMEMBERS", key),
        "zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
    }.get(kind)
    value = await link.execute(*(command or ("LRANGE", key, 0, -1)))
    return sorted(value) if kind == "set" else value


async def _groups(link: Link, key: bytes) -> dict[bytes, Any]:
    groups = {}
    for flat in await link.execute("XINFO", "GROUPS", key):
        name = flat[1]
        pending = await link.execute("XPENDING", key, name, "-", "+", 1_000)
        consumers = sorted(flat[1] for flat in await link.execute("XINFO", "CONSUMERS", key, name))
        groups[name] = {"pending": [(entry[0], entry[1]) for entry in pending], "consumers": consumers}
    return groups
