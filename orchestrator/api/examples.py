"""Examples of the OpenAPI document."""

from typing import Any, Final

Json = Any

SCENARIO_ID: Final = "2q0v9k5xw3hmt7ad"
TASK_ID: Final = "2q8fz1c4n6yrj0eb"
TIME: Final = "2025-06-26T10:34:12.349Z"
GENERATE: Final[dict[str, Json]] = {
    "scenario": "CreateVideo",
    "description": "Создай видео про котов",
    "slides_count": 3,
}
WARNING: Final[dict[str, Json]] = {
    "code": "queue_mismatch",
    "message": "`queue: 3` is declared, but 4 tasks lead to this one; 4 counts.",
    "pointer": "tasks[8].queue",
    "line": 84,
    "column": 12,
}
REF: Final = f"s3://bucket/{SCENARIO_ID}/{TASK_ID}/1/video.mp4"

TASK: Final[dict[str, Json]] = {
    "id": TASK_ID,
    "scenario_id": SCENARIO_ID,
    "service": "video-service",
    "name": "CreateVideoFromSlides",
    "status": "success",
    "queue": 0,
    "consumers": [],
    "created_at": TIME,
    "updated_at": TIME,
    "started_at": TIME,
    "finished_at": TIME,
    "attempt": 1,
    "worker": "video-1",
    "result_ref": REF,
    "policy": None,
    "rules": None,
    "child_scenario_id": None,
    "progress": 100.0,
    "fields": {"voice_track_id": "2q3mmt9c0vwxr5hd"},
    "links": {
        "self": f"/tasks/{TASK_ID}",
        "scenario": f"/scenarios/{SCENARIO_ID}",
        "result": f"/tasks/{TASK_ID}/result",
    },
}
SCENARIO: Final[dict[str, Json]] = {
    "scenario_id": SCENARIO_ID,
    "name": "ScenarioCreateVideo",
    "version": "1.0.0",
    "status": "processing",
    "percent": 44.4,
    "counts": {
        "pending": 4,
        "processing": 1,
        "success": 4,
        "failed": 0,
        "skipped": 0,
        "cancelled": 0,
    },
    "total": 9,
    "created_at": TIME,
    "updated_at": TIME,
    "variables": {"N_SLIDES": 3, "PROMPT": "Создай видео про котов"},
    "warnings": [],
    "links": {"self": f"/scenarios/{SCENARIO_ID}"},
}


ACCEPTED: Final[dict[str, Json]] = {
    "scenario_id": SCENARIO_ID,
    "name": "ScenarioCreateVideo",
    "version": "1.0.0",
    "status": "pending",
    "total": 1,
    "task_ids": [TASK_ID],
    "warnings": [],
    "links": {"self": f"/scenarios/{SCENARIO_ID}"},
    "durability": {"asked": "memory", "reached": "memory", "reason": None},
}
