"""What a worker was told when it was made."""

import os
from dataclasses import dataclass
from typing import Final

from .protocol.keys import is_service
from .protocol.link import Link
from .seams import Seams

MAX_NAME: Final = 200
DEFAULT_URL: Final = "redis://localhost:6379"


@dataclass(frozen=True, slots=True)
class Options:
    """See `Worker`."""

    services: tuple[str, ...]
    concurrency: int
    redis_url: str | None
    name: str
    drain_s: float
    kill_after_s: float
    artifacts: str | None
    seams: Seams

    def __post_init__(self) -> None:
        if not self.services:
            raise ValueError("a worker needs at least one service")
        if bad := [service for service in self.services if not is_service(service)]:
            raise ValueError(
                f"not a service name ([a-z0-9][a-z0-9_.-]*, up to 64 characters): {', '.join(bad)}"
            )
        if len(set(self.services)) != len(self.services):
            raise ValueError("a service is named twice")
        if not 0 < len(self.name) <= MAX_NAME:
            raise ValueError(f"the name of a worker has 1 to {MAX_NAME} characters")
        if self.concurrency < 1 or self.drain_s < 0 or self.kill_after_s < 0:
            raise ValueError("concurrency must be at least 1, drain_s and kill_after_s at least 0")

    def connect(self, *, block_ms: int = 0, connections: int = 8) -> Link:
        """Make a link to the Redis of this worker; without a URL, to `REDIS_URL` of the environment."""
        url = self.redis_url or os.environ.get("REDIS_URL") or DEFAULT_URL
        # CLIENT SETNAME takes no spaces.
        name = "-".join(f"worker-{self.name}".split())
        return self.seams.connect(url, block_ms=block_ms, connections=connections, name=name)
