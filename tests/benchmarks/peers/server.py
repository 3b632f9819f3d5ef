"""A plain server: the program that our own benchmark uses, its default settings, nothing kept on disk."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from redis import ConnectionError as NoAnswer
from redis import Redis

from orchestrator.processes import start_child, stop_child, tail

START_TIMEOUT_S: Final = 20.0


@contextmanager
def plain_server(program: Path) -> Iterator[str]:
    """Start it on a unix socket, as our own server is; gives its address."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        path, log = folder / "redis.sock", folder / "server.log"
        options = {"port": "0", "unixsocket": str(path), "save": "", "appendonly": "no", "dir": name}
        words = [word for option, value in options.items() for word in (f"--{option}", value)]
        process = start_child([str(program), *words], log=log)
        try:
            url = f"unix://{path}"
            _wait(url, log)
            yield url
        finally:
            stop_child(process)


def server_name(url: str) -> str:
    """Its name and version."""
    client: Any = Redis.from_url(url)
    info = client.info("server")
    client.close()
    valkey = info.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {info['redis_version']}"


def empty(url: str) -> None:
    """Remove everything that is in it."""
    client: Any = Redis.from_url(url)
    client.flushall()
    client.close()


def _wait(url: str, log: Path) -> None:
    client: Any = Redis.from_url(url)
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            client.ping()
            break
        except NoAnswer:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{tail(log)}") from None
            time.sleep(0.01)
    client.close()
