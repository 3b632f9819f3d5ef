"""An object store that speaks S3: the server of moto in a process of its own, which forgets all at its end."""

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

START_S: Final = 120.0
SERVER: Final = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"


@contextlib.contextmanager
def running_s3(folder: Path) -> Iterator[str]:
    """Give its address. `folder` takes its log."""
    log = folder / "s3.log"
    with log.open("wb") as output:
        server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=output, stderr=output, cwd=folder)
    try:
        yield _address(server, log)
    finally:
        server.kill()
        server.wait()


def environment_of(address: str) -> dict[str, str]:
    """What leads to it, and lets it believe who asks."""
    return {
        "AWS_ENDPOINT": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "NO_PROXY": "127.0.0.1",
    }


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        threading.Event().wait(0.05)
    raise AssertionError(f"no S3 server:\n{log.read_text()}")
