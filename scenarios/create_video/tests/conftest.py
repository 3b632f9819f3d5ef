"""Fixtures of the pack's tests: no key in the environment, and tasks to hand to a handler."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workers_sdk import Context, Done
from workers_sdk.context import Reference
from workers_sdk.protocol.messages import TaskEntry, dumps

KEYS = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_VOICE", "ELEVENLABS_API_KEY", "ELEVENLABS_BASE_URL",
    "ELEVENLABS_VOICE_ID", "GEMINI_API_KEY", "GEMINI_BASE_URL", "SCENARIST_TEXT", "SCENARIST_VOICE", "SCENARIST_IMAGES",
    "SCENARIST_FONT", "SCENARIST_VIDEO_FPS", "SCENARIST_VIDEO_PRESET", "SCENARIST_VIDEO_RESOLUTION",
)  # fmt: skip
TaskMaker = Callable[..., Context]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing a developer has set makes a test leave the machine."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def task(tmp_path: Path) -> TaskMaker:
    """Make the context of a task: `task("CreateVoice", prompt="...", text_task_id=<result of a handler>)`."""

    def make(name: str, **fields: Any) -> Context:
        references: dict[str, Reference] = {}
        for field, value in fields.items():
            if field.endswith("_ids"):
                fields[field] = [_refer(references, item) for item in value]
            elif field.endswith("_id"):
                fields[field] = _refer(references, value)
        entry = TaskEntry("1-0", "any-service", _id(), "scenario00000000", name, 1, "1:token", fields)
        return Context(entry, references=references, artifacts_root=str(tmp_path / "artifacts"))

    return make


def _id() -> str:
    return secrets.token_hex(8)


def _refer(references: dict[str, Reference], result: object) -> str:
    """Note a finished task with this result; returns its id."""
    task_id = _id()
    ref, value = (result.ref, result.value) if isinstance(result, Done) else ("", result)
    references[task_id] = Reference(task_id, b"Earlier", b"success", ref.encode(), dumps(value))
    return task_id
