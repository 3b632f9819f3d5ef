"""Whole systems of real processes."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.cli.fleet import Fleet, Running, free_port, wait_until_up

HOST = "127.0.0.1"


@contextlib.contextmanager
def running_api(folder: Path, redis_url: str, **settings: str) -> Iterator[Running]:
    """An API in a process of its own; start engines and workers on its `fleet`. All end with the block.

    Args:
        folder: takes the logs and the artifacts.
        settings: more environment variables.
    """
    port = free_port(HOST, 0)
    own = {
        "REDIS_URL": redis_url,
        "HOST": HOST,
        "PORT": str(port),
        "SCENARIST_ARTIFACTS": str(folder / "artifacts"),
    }
    fleet = Fleet(folder / "logs", {**os.environ, **own, **settings})
    running = Running(f"http://{HOST}:{port}", redis_url, fleet)
    try:
        fleet.start("api", "orchestrator", "serve")
        wait_until_up(running)
        yield running
    finally:
        fleet.stop()


def processes_in(folder: Path) -> dict[int, str]:
    """Ids and command lines of the processes that work in `folder` or below (Linux only)."""
    found: dict[int, str] = {}
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (
                process.name.isdigit()
                and (process / "cwd").resolve().is_relative_to(folder)
                and _lives(process)
            ):
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
    return found


def _lives(process: Path) -> bool:
    # A container without an init process keeps ended orphans as zombies.
    return (process / "stat").read_text().rpartition(") ")[2][0] != "Z"


def clean_environment(**more: str) -> Mapping[str, str]:
    """The environment without what would lead a child to another Redis, port or store."""
    ours = ("REDIS_URL", "PORT", "HOST", "SCENARIST_API", "SCENARIST_ARTIFACTS")
    return {name: value for name, value in os.environ.items() if name not in ours} | more
