"""The system under test: a server, API, orchestrators and workers as processes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.cli.fleet import free_port
from orchestrator.embedded import EmbeddedServer, find_server
from orchestrator.processes import start_child
from workers_sdk.protocol.link import RedisLink

HOST: Final = "127.0.0.1"
TEMPLATES: Final = Path(__file__).parent / "templates"
LEASE_S: Final = 2.0
ENDS_WITHIN_S: Final = 60.0
TESTER: Final = "chaos-tester"
NOT_THERE: Final = "error: Redis cannot be used"
"""What a process says that was started while there was no server; whoever starts it tries again."""

ROLES: Final = {
    "api": ("orchestrator", "serve"),
    **{f"engine-{n}": ("orchestrator", "engine") for n in (1, 2, 3)},
    **{f"worker-{n}": ("tests.chaos.worker",) for n in (1, 2, 3, 4)},
}


@dataclass
class System:
    """See the module.

    Attributes:
        folder: takes data, logs and journals.
        program: see `find_server`.
        said: what was done to it, and when. wrong: what must not be.
    """

    folder: Path
    program: str = ""
    retention_s: int = 60
    partitions: int = 1
    said: list[tuple[float, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _lives: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        program = find_server(self.program)
        settings = {"appendfsync": "always"}  # so that what was answered survives a kill
        self.server = EmbeddedServer(self.folder / "redis", program=program, settings=settings)
        self.url = f"http://{HOST}:{free_port(HOST, 0)}"
        self.journal = self.folder / "journal"
        self.journal.mkdir(parents=True)
        self.env = {
            **os.environ,
            "REDIS_URL": self.server.url,
            "HOST": HOST,
            "PORT": self.url.rpartition(":")[2],
            "CHAOS_JOURNAL": str(self.journal),
            "SCENARIST_ARTIFACTS": str(self.folder / "artifacts"),
            "SCENARIST_TEMPLATES": str(TEMPLATES),
            "SCENARIST_PARTITIONS": str(self.partitions),
            "SCENARIST_LEASE_MS": str(int(LEASE_S * 1000)),
            "SCENARIST_MAX_ATTEMPTS": "100",
            "SCENARIST_RETENTION_S": str(self.retention_s),
            "SCENARIST_WEBHOOKS_ALLOW_HTTP": "1",
            "SCENARIST_WEBHOOKS_ALLOW_PRIVATE": "1",
            "SCENARIST_WEBHOOKS_TIMEOUT_S": "2",
            "SCENARIST_WEBHOOKS_RETENTION_S": "60",
            "SCENARIST_LOG_JSON": "1",
        }

    @property
    def prefixes(self) -> list[str]:
        """Of the keys of each partition."""
        return [f"{{p{n}}}:" for n in range(self.partitions)] if self.partitions > 1 else [""]

    @property
    def was_full(self) -> bool:
        """Whether there was a time without memory."""
        return any("full" in text for _, text in self.said)

    def link(self) -> RedisLink:
        """A link of the tester's own."""
        return RedisLink(self.server.url, name=TESTER)

    def say(self, text: str) -> None:
        """Write down what is done, for whoever reads the logs."""
        self.said.append((time.time(), text))

    def start(self, name: str) -> None:
        """Start a process, with a log of its own for each life."""
        self._lives[name] = self._lives.get(name, 0) + 1
        words = [sys.executable, "-m", *ROLES[name]]
        self.children[name] = start_child(words, log=self.log_of(name), env=self.env, hurry=True)

    def log_of(self, name: str) -> Path:
        """Log of the present life of a process."""
        return self.folder / "logs" / f"{name}.{self._lives[name]:03}.log"

    def look(self) -> None:
        """Start again who ended unasked. That is wrong, unless there was no server when it was started."""
        for name, child in list(self.children.items()):
            if (code := child.poll()) is not None:
                log = self.log_of(name)
                if NOT_THERE not in log.read_text():
                    self.wrong.append(f"{log.name}: it ended unasked, code {code}")
                self.start(name)

    def stop(self) -> None:
        """End everything, and keep the story."""
        for child in self.children.values():
            child.send_signal(signal.SIGCONT)
            child.terminate()
        for name, child in self.children.items():
            try:
                child.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.wrong.append(f"{name} does not end")
                child.kill()
                child.wait()
        self.server.stop()
        story = (
            f"{time.strftime('%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1000):03} {text}\n"
            for at, text in self.said
        )
        (self.folder / "story.txt").write_text("".join(story))
