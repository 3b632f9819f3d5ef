"""No test of the pack leaves the machine, whatever keys its developer has set."""

import pytest

SETTINGS = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_VOICE", "ELEVENLABS_API_KEY", "ELEVENLABS_BASE_URL",
    "ELEVENLABS_VOICE_ID", "GEMINI_API_KEY", "GEMINI_BASE_URL", "SCENARIST_TEXT", "SCENARIST_VOICE", "SCENARIST_IMAGES",
    "SCENARIST_FONT", "SCENARIST_VIDEO_FPS", "SCENARIST_VIDEO_PRESET", "SCENARIST_VIDEO_RESOLUTION",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
