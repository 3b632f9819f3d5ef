"""Handlers for processes of their own. They say by files how far they are; `folder` is one of their params."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from workers_sdk import Context

ENDLESS = "import threading; threading.Event().wait(300)"


def _say(ctx: Context, name: str, text: object = "") -> None:
    path = Path(ctx.params["folder"]) / f"{ctx.params.get('name', '')}{name}"
    path.with_suffix(".part").write_text(str(text))
    path.with_suffix(".part").rename(path)  # so that nobody reads half of it


def _wait_for(ctx: Context, name: str) -> None:
    while not (Path(ctx.params["folder"]) / name).exists():
        threading.Event().wait(0.01)


def pid(ctx: Context) -> int:
    """Tell which process this is."""
    return os.getpid()


def patient(ctx: Context) -> int:
    """Go on until told to stop, or until there is a file `go`."""
    _say(ctx, "begun", os.getpid())
    while not ctx.cancelled.is_set():
        if (Path(ctx.params["folder"]) / "go").exists():
            return os.getpid()
        threading.Event().wait(0.01)
    _say(ctx, "told", ctx.cancelled.cause)
    return os.getpid()


def stubborn(ctx: Context) -> None:
    """Start a program and never look at the token."""
    program = subprocess.Popen([sys.executable, "-c", ENDLESS])
    _say(ctx, "begun", f"{os.getpid()} {program.pid}")
    threading.Event().wait(300)


def late(ctx: Context) -> int:
    """End at once when told to, but not before a word was said about it."""
    ctx.cancelled.raise_if_set()
    return os.getpid()


def talk(ctx: Context) -> str:
    """Say much, then give signs of life."""
    for percent in range(1_000):
        ctx.progress(percent / 10, f"step {percent}")
    _wait_for(ctx, "heard")
    ctx.heartbeat()
    _wait_for(ctx, "seen")
    return ctx.spawn("Next", prompt="more")
