"""`timeout` and `timeouts` of a task: how long it may wait, run, take in all, and stay silent."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.templates.tree import Json
from orchestrator.templates.units import Span


class TimeoutsForm(BaseModel):
    """How long a task may take. Each limit is apart; what passes one fails with `queue_timeout`, `run_timeout` ..."""

    model_config = ConfigDict(extra="forbid", title="Timeouts")

    queue: Span | None = Field(None, description="From ready to taken by a worker, for each attempt.")
    run: Span | None = Field(None, description="One attempt.")
    total: Span | None = Field(None, description="From ready to ended, with all attempts and waits.")
    heartbeat: Span | None = Field(None, description="Between two signs of the worker.")


def timeouts_of(timeout: Json, timeouts: Json) -> dict[str, Any] | None:
    """Checked fields as the scripts take them: `{"run_ms": 30000}`; None without any. `timeout` is short for `run`."""
    given = {**(timeouts or {}), **({} if timeout is None else {"run": timeout})}
    limits = TimeoutsForm.model_validate(given).model_dump(exclude_none=True)
    return {f"{name}_ms": ms for name, ms in limits.items()} or None
