"""`services` of a template: what holds for all tasks of a service that do not say otherwise themselves."""

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.templates.flow import Concurrency, Priority, Rate
from orchestrator.templates.retry import Retry
from orchestrator.templates.timeouts import TimeoutsForm
from orchestrator.templates.units import Span


class ServiceForm(BaseModel):
    """Defaults of all tasks of a service. What a task says itself takes the place of the whole field."""

    model_config = ConfigDict(extra="forbid", title="Service")

    retry: Retry | None = Field(None, description="When a failed attempt is followed by another.")
    timeout: Span | None = Field(None, description="Short for `timeouts: {run: ...}`.")
    timeouts: TimeoutsForm | None = Field(None, description="How long a task may take.")
    priority: Priority | None = Field(None, description="0 goes first, 4 last; 2 without it.")
    concurrency: Concurrency | None = Field(None, description="How many of a key run at once.")
    rate: Rate | None = Field(None, description="How many of a key start in a time.")
