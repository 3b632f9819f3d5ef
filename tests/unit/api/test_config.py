import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.config import Settings


@pytest.fixture(autouse=True)
def no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_documented_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://somewhere:7000")
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("DEBUG", "true")
    monkeypatch.setenv("SCENARIST_PARTITIONS", "4")
    monkeypatch.setenv("SCENARIST_TEMPLATES", os.pathsep.join(["a", "b/c"]))

    settings = Settings()

    assert (settings.redis_url, settings.port, settings.debug) == ("redis://somewhere:7000", 9000, True)
    assert (settings.partitions, settings.templates) == (4, (Path("a"), Path("b/c")))


def test_a_dotenv_file_is_read() -> None:
    Path(".env").write_text("REDIS_URL=redis://localhost:6380\nPORT=8002\nSOMETHING_ELSE=1\n")

    assert (Settings().redis_url, Settings().port) == ("redis://localhost:6380", 8002)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "localhost:6379"),
        ("PORT", "70000"),
        ("SCENARIST_PARTITIONS", "0"),
        ("SCENARIST_LEASE_MS", "-1"),
        ("SCENARIST_LOG_LEVEL", "loud"),
        ("SCENARIST_MAX_BODY_BYTES", "many"),
    ],
)
def test_a_value_out_of_range_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError):
        Settings()


def test_settings_do_not_print_the_password_of_redis() -> None:
    assert "hunter2" not in repr(Settings(redis_url="redis://:hunter2@localhost:6379"))


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
