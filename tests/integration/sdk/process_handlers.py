"""Handlers for processes of their own, which must be importable."""

import os
import signal
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
