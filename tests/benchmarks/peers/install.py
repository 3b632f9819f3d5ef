"""An environment of its own for every peer, made once and again when its pins change."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.peers.plan import Peer

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
HOME: Final = ROOT / ".scenarist" / "bench"
TIMEOUT_S: Final = 600.0


class InstallFailed(Exception):
    """A peer could not be installed; the message says why."""


def install(peer: Peer) -> None:
    """Install a peer into `HOME`/<name> unless that was done with the same pins.

    Raises:
        InstallFailed: see its message.
    """
    if peer.home == "ours":
        return
    pins = HERE / peer.name / ("package.json" if peer.home == "node" else "requirements.txt")
    stamp = HOME / peer.name / "installed"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(stamp.parent, ignore_errors=True)
    stamp.parent.mkdir(parents=True)
    if peer.home == "node":
        shutil.copy(pins, stamp.parent)
        _run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"], stamp.parent)
    else:
        _run([sys.executable, "-m", "venv", "."], stamp.parent)
        pip = ["bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        _run([*pip, "--requirement", str(pins)], stamp.parent)
    stamp.write_text(wanted)


def command(peer: Peer) -> tuple[list[str], dict[str, str], Path]:
    """How its adapter is started: words, what it needs in the environment, folder."""
    folder = HERE / peer.name
    if peer.home == "node":
        return ["node", "adapter.js"], {"NODE_PATH": str(HOME / peer.name / "node_modules")}, folder
    if peer.home == "python":
        quiet = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(HERE / "kit")}
        return [str(HOME / peer.name / "bin" / "python"), "adapter.py"], quiet, folder
    return [sys.executable, "-m", "tests.benchmarks.peers.ours", peer.name], {}, ROOT


def _run(words: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            words, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallFailed(f"{words[0]}: {error}") from error
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines() or [f"code {done.returncode}"]
        raise InstallFailed(f"{Path(words[0]).name}: {last[-1]}")
