"""Handlers for processes."""

import time
from pathlib import Path

from workers_sdk import Context


def meet(ctx: Context) -> int:
    """Wait until as many of its kind run as `count` says."""
    place, count = Path(ctx.fields["place"]), ctx.fields["count"]
    (place / ctx.task_id).touch()
    while (found := len(list(place.iterdir()))) < count:
        ctx.cancelled.raise_if_set()
        time.sleep(0.01)
    return found
