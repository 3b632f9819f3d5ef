"""Adapters of what runs in this environment: Scenarist, and the measured ceiling of one Redis process.

python -m tests.benchmarks.peers.ours <scenarist|scenarist-aof|ceiling> <workload> <count> <redis_url> <processes>
"""

import asyncio
import json
import platform
import socket
import sys
import time
import tomllib
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis import Redis

from tests.benchmarks.peers.install import ROOT
from tests.benchmarks.system import running_system
from tests.benchmarks.workloads import WORKLOADS, ended, submit

# All commands that one task costs with two streams, a counter and a result, for 100 tasks in one script.
TASKS: Final = 100
PIPELINE: Final = 16
ALL_COMMANDS: Final = """
local function through(stream, n)
  for _ = 1, n do redis.call('XADD', stream, '*', 'task', ARGV[2]) end
  local ids = {}
  for i, entry in ipairs(redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', n, 'STREAMS', stream, '>')[1][2]) do
    ids[i] = entry[1]
  end
  redis.call('XACK', stream, 'g', unpack(ids))
  redis.call('XDEL', stream, unpack(ids))
  return ids
end
local n = tonumber(ARGV[1])
through(KEYS[1], n)
for _, id in ipairs(through(KEYS[2], n)) do
  redis.call('HINCRBY', KEYS[3], 'done', 1)
  redis.call('HSET', KEYS[4], id, ARGV[2])
end
return n
"""


def ceiling(count: int, url: str) -> dict[str, Any]:
    """Tasks through Redis with a client that costs nothing: the same bytes again and again, replies not parsed."""
    client: Any = Redis.from_url(url)
    for stream in ("ceiling:tasks", "ceiling:events"):
        client.xgroup_create(stream, "g", "0", mkstream=True)
    keys = (b"ceiling:tasks", b"ceiling:events", b"ceiling:counters", b"ceiling:results")
    words = (b"EVALSHA", client.script_load(ALL_COMMANDS).encode(), b"4", *keys, b"%d" % TASKS, b"x" * 64)
    call = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(unquote(urlsplit(url).path))
        _exchange(connection, call)
        started = time.perf_counter()
        for _ in range(count // (TASKS * PIPELINE)):
            _exchange(connection, call * PIPELINE, PIPELINE)
        seconds = time.perf_counter() - started
    tasks = count // (TASKS * PIPELINE) * TASKS * PIPELINE
    settings = f"{TASKS} tasks in one script, {PIPELINE} scripts in one pipeline"
    return {"version": "-", "settings": settings, "tasks": tasks, "seconds": seconds, "latencies_s": []}


def _exchange(connection: socket.socket, calls: bytes, replies: int = 1) -> None:
    connection.sendall(calls)
    expected = f":{TASKS}\r\n".encode() * replies
    read = b""
    while len(read) < len(expected):
        read += connection.recv(4096)
    if read != expected:
        raise RuntimeError(f"the server answered {read[:200]!r}")


async def scenarist(workload: str, workers: int, *, aof: bool) -> dict[str, Any]:
    """One of our own workloads on a system of its own, over the server that Scenarist itself would start."""
    async with running_system(server="", workers=workers) as system:
        if not aof:
            await system.link.execute("CONFIG", "SET", "appendonly", "no")
        await submit(system, "BenchDiamond", {})
        await ended(system, 1)
        measured = await WORKLOADS[workload](system)
    return {
        "version": f"scenarist {_version()}, Python {platform.python_version()}",
        "settings": "AOF everysec, as shipped" if aof else "persistence off",
        "tasks": measured.tasks,
        "seconds": measured.seconds,
        "latencies_s": list(measured.latencies_s) if workload == "w2lat" else [],
    }


def _version() -> str:
    """Of this tree, which need not be installed."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def main() -> None:
    """See the module."""
    name, workload, count, url, processes = sys.argv[1:]
    if name == "ceiling":
        measured = ceiling(int(count), url) if workload == "w1" else {"cannot": "it is a bound for w1"}
    else:
        measured = asyncio.run(scenarist(workload, int(processes), aof=name == "scenarist-aof"))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
