"""All roles as processes of this machine: started together, watched, stopped together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from orchestrator.config import Settings
from orchestrator.embedded import EmbeddedError, EmbeddedServer, InUse
from orchestrator.packs import Pack
from orchestrator.processes import start_child, stop_child, tail

from .client import ApiClient
from .exits import CommandError, Exit
from .program import command

HOME: Final = Path(".scenarist")
START_TIMEOUT_S: Final = 30.0
PORTS_TRIED: Final = 50
DYING_S: Final = 0.3
"""Who asked a process that just died hears of it sooner than its parent."""

Say = Callable[[str], None]


@dataclass
class Fleet:
    """Child processes by name, each with a log file of its own under `logs`."""

    logs: Path
    env: Mapping[str, str]
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *module_and_arguments: str) -> None:
        """Start `python -m module arguments...`."""
        words = [sys.executable, "-m", *module_and_arguments]
        self.children[name] = start_child(words, log=self.log_of(name), env=self.env, hurry=True)

    def log_of(self, name: str) -> Path:
        """Log file of a child."""
        return self.logs / f"{name}.log"

    def check(self) -> None:
        """Raise CommandError, with the end of its log, when a child has ended by itself."""
        for name, child in self.children.items():
            if (code := child.poll()) is not None:
                log = self.log_of(name)
                raise CommandError(f"{name} ended by itself (code {code}); the end of {log}:\n{tail(log)}")

    def stop(self) -> None:
        """Ask all to end at once, then wait for each. What was not reported stays in Redis for the next time."""
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        for child in self.children.values():
            stop_child(child)
        self.children.clear()

    def start_all(self, packs: Sequence[Pack]) -> None:
        """Start the API, one orchestrator and all workers of `packs`."""
        self.start("api", "orchestrator", "serve")
        self.start("engine", "orchestrator", "engine")
        for pack in packs:
            for name, module in pack.workers.items():
                self.start(f"{pack.name}-{name}", "workers_sdk", module)

    def log_about(self, text: str) -> Path | None:
        """The log that mentions `text`, if any: the one to read when a task failed."""
        logs = (self.log_of(name) for name in self.children)
        return next((log for log in logs if log.exists() and text in log.read_text(errors="replace")), None)


@dataclass(frozen=True)
class Running:
    """A complete system that runs. `server` is its Redis, None when it uses one that was there."""

    api_url: str
    redis_url: str
    fleet: Fleet
    server: EmbeddedServer | None = None

    def check(self) -> None:
        """Raise CommandError, with the end of its log, when a part of it has ended by itself."""
        self.check_server()
        self.fleet.check()

    def check_server(self) -> None:
        """The same for its Redis alone."""
        server = self.server
        if server and (code := server.exit_code) is not None:
            raise CommandError(
                f"Redis ended by itself (code {code}); the end of {server.log}:\n{tail(server.log)}\n"
                "What it had taken in is on disk, except the last second: start again to go on.",
                Exit.UNREACHABLE,
            )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let an error say, instead of what the API said, that a part of the system has ended, if one has."""
        try:
            yield
        except CommandError:
            time.sleep(DYING_S)
            self.check()
            raise


@contextmanager
def everything(settings: Settings, packs: Sequence[Pack], say: Say) -> Iterator[Running]:
    """Run a Redis (unless `settings` names one), the API, one orchestrator and all workers of `packs`.

    Raises:
        CommandError: something did not start; the message has the end of its log.
    """
    say("starting Redis, the API, one orchestrator and the workers")
    with ExitStack() as stack:
        server = None
        if "redis_url" not in settings.model_fields_set:
            server = _started(stack, EmbeddedServer(HOME / "redis"))
        redis_url = server.url if server else settings.redis_url
        port = free_port(settings.host, settings.port)
        if settings.port not in (0, port):
            say(f"port {settings.port} is taken, the API takes {port}")
        fleet = Fleet(HOME.absolute() / "logs", _environment(settings, redis_url, port))
        stack.callback(fleet.stop)
        fleet.start_all(packs)
        running = Running(f"http://{_reachable(settings.host)}:{port}", redis_url, fleet, server)
        wait_until_up(running)
        yield running


def wait_until_up(running: Running) -> None:
    """Wait until the API answers. Raises CommandError when it does not, or when a child ended."""
    deadline = time.monotonic() + START_TIMEOUT_S
    with ApiClient(running.api_url) as client:
        while not client.is_up():
            running.check()
            if time.monotonic() > deadline:
                log = running.fleet.log_of("api")
                raise CommandError(
                    f"the API does not answer; the end of {log}:\n{tail(log)}", Exit.UNREACHABLE
                )
            time.sleep(0.05)


@contextmanager
def ends_on_signals() -> Iterator[None]:
    """Let SIGTERM, SIGHUP and SIGINT unwind the stack, so that all children are stopped in order.

    Python does so with SIGINT too, but not where it is inherited as ignored: behind `&` in a script.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port(host: str, port: int) -> int:
    """`port`, or the next free one; 0 takes any. Raises CommandError when none of 50 is free."""
    for candidate in range(port, min(port + PORTS_TRIED, 65_536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CommandError(f"no free port on {host} from {port} on; choose one by PORT=...", Exit.USAGE)


def _started(stack: ExitStack, server: EmbeddedServer) -> EmbeddedServer:
    try:
        return stack.enter_context(server)
    except InUse as error:
        hint = (
            "It may be that of a system that runs already: hand work to that one with\n"
            f"  {command('submit', 'CreateVideo', '--watch')}"
        )
        raise CommandError(f"{error}\n{hint}", Exit.UNREACHABLE) from error
    except EmbeddedError as error:
        raise CommandError(str(error), Exit.UNREACHABLE) from error


def _environment(settings: Settings, redis_url: str, port: int) -> dict[str, str]:
    artifacts = settings.artifacts
    if "://" not in artifacts and not artifacts.startswith("memory:"):
        artifacts = str(Path(artifacts).absolute())
    own = {"REDIS_URL": redis_url, "HOST": settings.host, "PORT": str(port), "SCENARIST_ARTIFACTS": artifacts}
    # Redis runs by now, or is somebody else's: whoever looks on is told at once that it is not there.
    return {"SCENARIST_REDIS_WAIT_S": "0", **os.environ, **own, "PYTHONUNBUFFERED": "1"}


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
