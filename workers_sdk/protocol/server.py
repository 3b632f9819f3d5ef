"""What every process looks at before it works with a Redis server: whether it is one that can be worked with at all."""

from dataclasses import dataclass
from typing import Final

from .link import Link, Refused

MIN_VERSION: Final = (7, 0)
RIGHTS: Final = "~* +@all -@dangerous +info"


class ServerUnfit(Exception):
    """The server would lose or forget work, or refuse it. The message says what to change."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Name and version of the server, how it keeps its data, and its place among others.

    Attributes:
        replica_of: host and port of its primary, when it is a replica.
        cluster: it is part of a cluster.
    """

    server: str
    version: str
    eviction: str
    aof: bool
    replica_of: str = ""
    cluster: bool = False


async def server_info(link: Link) -> ServerInfo:
    """Read `INFO`, which managed servers allow where they forbid `CONFIG`. Raises: Unavailable, Refused."""
    reply = await link.execute("INFO")
    pairs = (line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    facts = {name: value.strip() for name, value in pairs}
    valkey = facts.get("server_name") == "valkey"
    primary = f"{facts.get('master_host', 'another server')}:{facts.get('master_port', '')}"
    return ServerInfo(
        server="valkey" if valkey else "redis",
        version=facts.get("valkey_version" if valkey else "redis_version", "0"),
        eviction=facts.get("maxmemory_policy", "noeviction"),
        aof=facts.get("aof_enabled") == "1",
        replica_of=primary if facts.get("role") == "slave" else "",
        cluster=facts.get("cluster_enabled") == "1",
    )


def unfit_for_all(info: ServerInfo, partitions: int | None = None) -> list[str]:
    """Why no process can work with a server. `partitions`: of the keys, None when they are not known yet."""
    reasons = []
    if tuple(int(part) for part in info.version.split(".")[:2]) < MIN_VERSION:
        reasons.append(
            f"{info.server} {info.version} is too old: Redis 7.0 or Valkey 7.2 is the oldest that works"
        )
    if info.cluster and partitions == 1:
        reasons.append(
            "it is a cluster, where the keys of one partition lie on one server: "
            "set SCENARIST_PARTITIONS to 2 or more, a multiple of its primaries"
        )
    if info.replica_of and not info.cluster:  # a replica in a cluster tells who the primary is
        reasons.append(f"it is a replica, which takes no writes: let REDIS_URL name {info.replica_of}")
    return reasons


def not_permitted(error: Refused) -> ServerUnfit:
    """A refusal at the start, in words."""
    text = str(error)
    if error.code == "NOPERM":
        text += f"; its user needs more rights, for example: {RIGHTS}"
    return ServerUnfit(text)
