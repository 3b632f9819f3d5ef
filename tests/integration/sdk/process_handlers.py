"""Handlers for processes of their own, which must be importable."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

from workers_sdk import Context, Fail


def where(ctx: Context) -> dict[str, Any]:
    """Tell what arrived, and that it was another process."""
    ctx.progress(50)
    return {
        "pid": os.getpid(),
        "prompt": ctx.prompt,
        "text": ctx.result("text_task_id").value if "text_task_id" in ctx.fields else None,
    }


def refuse(ctx: Context) -> None:
    """Fail with a code."""
    raise Fail(f"no {ctx.name}", code="refused")


def die(ctx: Context) -> None:
    """Die as a crash in native code does."""
    os.kill(os.getpid(), signal.SIGKILL)


def patient(ctx: Context) -> None:
    """Go on until told to stop; say who it is and why it stopped."""
    ctx.progress(1, str(os.getpid()))
    folder = Path(ctx.params["folder"])
    while not ctx.cancelled.is_set():
        threading.Event().wait(0.01)
    (folder / "told").write_text(ctx.cancelled.cause)


def stubborn(ctx: Context) -> None:
    """Never look whether the work is wanted; say who it is."""
    ctx.progress(1, str(os.getpid()))
    threading.Event().wait(300)


def spawn(ctx: Context) -> str:
    """Make further tasks, and a result that is too large for a report."""
    text = ctx.spawn("CreateText", prompt="one")
    ctx.spawn("CreateVoice", "voice-service", text_task_id=text)
    return "x" * 100_000
