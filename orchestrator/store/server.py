"""What is checked of the Redis server before anything starts: version, eviction, persistence, agreed settings."""

from dataclasses import dataclass

from workers_sdk.protocol.link import Link

SCHEMA = "1"
"""Version of the key format. Recorded in `scenarist:meta`; another one is refused."""
MIN_VERSION = (7, 0)


class ServerUnfit(Exception):
    """The server would lose or forget work. The message says what to change."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Name and version of the server, and how it keeps its data."""

    server: str
    version: str
    eviction: str
    aof: bool


async def server_info(link: Link) -> ServerInfo:
    """Read `INFO`, which managed servers allow where they forbid `CONFIG`. Raises: Unavailable, Refused."""
    reply = await link.execute("INFO")
    pairs = (line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    facts = {name: value.strip() for name, value in pairs}
    valkey = facts.get("server_name") == "valkey"
    return ServerInfo(
        server="valkey" if valkey else "redis",
        version=facts.get("valkey_version" if valkey else "redis_version", "0"),
        eviction=facts.get("maxmemory_policy", "noeviction"),
        aof=facts.get("aof_enabled") == "1",
    )


def check_server(info: ServerInfo, *, unsafe_volatile: bool) -> None:
    """Refuse a server that is too old, evicts keys, or keeps nothing on disk (unless `unsafe_volatile`).

    Raises:
        ServerUnfit: all reasons in one message.
    """
    reasons = []
    if tuple(int(part) for part in info.version.split(".")[:2]) < MIN_VERSION:
        reasons.append(
            f"{info.server} {info.version} is too old: Redis 7.0 or Valkey 7.2 is the oldest that works"
        )
    if info.eviction != "noeviction":
        reasons.append(
            f"maxmemory-policy is {info.eviction}: set it to noeviction, or waiting work will be evicted"
        )
    if not info.aof and not unsafe_volatile:
        reasons.append(
            "appendonly is off: set 'appendonly yes', or accept the loss of all work with SCENARIST_UNSAFE_VOLATILE=1"
        )
    if reasons:
        raise ServerUnfit("; ".join(reasons))
