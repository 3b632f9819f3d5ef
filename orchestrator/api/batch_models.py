"""Bodies of requests and responses about batches."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from .examples import SCENARIO_ID, TIME
from .models import DurabilityOut, ScenarioItem
from .problems import FieldError

Json = Any

BATCH_ID: Final = "2q7m0a9d4kx1ws8h"
_LINKS: Final[dict[str, Json]] = {
    "self": f"/batches/{BATCH_ID}",
    "scenarios": f"/batches/{BATCH_ID}/scenarios",
}
_SAFE: Final[dict[str, Json]] = {"asked": "memory", "reached": "memory", "reason": None}


class BatchLinks(BaseModel):
    """Addresses, relative to the server."""

    self: str
    scenarios: str


class LineProblem(BaseModel):
    """Why a line was not accepted; `code` and `status` as everywhere."""

    code: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list, description="Single mistakes, at most 5.")


class LineOut(BaseModel):
    """What became of a line: a scenario, or a problem."""

    line: int = Field(description="From 1.")
    scenario_id: str | None = None
    replayed: bool = Field(default=False, description="An earlier request made the scenario.")
    problem: LineProblem | None = None


class BatchAcceptedOut(BaseModel):
    """A batch whose lines were all read. Blank lines are left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "batch_id": BATCH_ID,
                    "accepted": 1,
                    "replayed": 0,
                    "refused": 1,
                    "durability": _SAFE,
                    "links": _LINKS,
                    "results": [
                        {"line": 1, "scenario_id": SCENARIO_ID},
                        {
                            "line": 2,
                            "problem": {
                                "code": "unknown_template",
                                "status": 404,
                                "detail": "There is no template Vidoe.",
                                "errors": [],
                            },
                        },
                    ],
                }
            ]
        }
    )

    batch_id: str
    accepted: int = Field(description="Lines that became scenarios, now or before.")
    replayed: int = Field(description="Of these, those that an earlier request made.")
    refused: int
    durability: DurabilityOut
    links: BatchLinks
    results: list[LineOut] = Field(description="In the order of the lines.")


class BatchOut(BaseModel):
    """A batch. `receiving`: its lines are still coming, or its sender went away before the last one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "batch_id": BATCH_ID,
                    "status": "processing",
                    "percent": 66.7,
                    "total": 3,
                    "counts": {"unfinished": 1, "success": 2, "failed": 0, "cancelled": 0},
                    "refused": 1,
                    "cancelled": None,
                    "created_at": TIME,
                    "closed_at": TIME,
                    "links": _LINKS,
                }
            ]
        }
    )

    batch_id: str
    status: Literal["receiving", "processing", "finished"]
    percent: float = Field(ge=0, le=100, description="Share of the scenarios that have ended.")
    total: int = Field(description="Scenarios that it has had; those that retention removed stay counted.")
    counts: dict[Literal["unfinished", "success", "failed", "cancelled"], int]
    refused: int | None = Field(description="Lines that became no scenario; null while it is receiving.")
    cancelled: Json = Field(default=None, description="Why, and who asked for it, when it was cancelled.")
    created_at: str = Field(description="ISO 8601, UTC.")
    closed_at: str | None = Field(default=None, description="When its last line was read.")
    links: BatchLinks


class BatchScenario(ScenarioItem):
    """A scenario of a batch, without its tasks."""

    line: int = Field(description="From 1.")


class BatchScenarioPage(BaseModel):
    """Scenarios of a batch in the order of the lines. With `status` a page may be short, even empty, before the last one."""

    items: list[BatchScenario]
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last one.")
