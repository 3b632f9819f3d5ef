"""`scenarist schedule ...` against an API in a process of its own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli.app import run
from orchestrator.cli.exits import Exit
from tests.support.fleet import running_api

from .conftest import PAIR

Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command that works, and give what it prints."""

    def call(*tokens: str) -> str:
        capsys.readouterr()
        assert run(["schedule", *tokens]) == Exit.OK, capsys.readouterr().err
        return capsys.readouterr().out

    return call


def test_a_schedule_from_its_making_to_its_removal(
    redis_url: str,
    tmp_path: Path,
    said: Said,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "Pair.yml").write_text(PAIR)
    settings = {"SCENARIST_TEMPLATES": str(tmp_path / "templates"), "SCENARIST_UNSAFE_VOLATILE": "1"}
    with running_api(tmp_path, redis_url, **settings) as api:
        monkeypatch.setenv("SCENARIST_API", api.api_url)
        cron = ["--cron", "0 9 * * 1", "--timezone", "Europe/Berlin"]
        assert "T09:00:00+0" in said("preview", *cron)

        line = said("add", "Pair", *cron, "--description", "news", "--name", "weekly", "--jitter", "1m",
                    "--tenant", "acme", "--priority", "1", "--submitter", "ann", "--durability", "fsync")  # fmt: skip
        schedule_id = line.split()[0]
        assert "Pair, next 20" in line
        assert "weekly" in said("list") and schedule_id in said("list")
        assert "paused" in said("pause", schedule_id, "--reason", "holidays")
        made = json.loads(said("fire", schedule_id, "-o", "json"))
        shown = said("show", schedule_id)
        assert "holidays" in shown and made["scenario_id"] in shown
        assert "active" in said("resume", schedule_id)
        told = json.loads(said("show", schedule_id, "-o", "json"))
        assert (told["jitter_s"], told["variables"]["PROMPT"]) == (60, "news")
        owner = [told[name] for name in ("tenant", "priority", "submitter", "durability")]
        assert owner == ["acme", 1, "ann", "fsync"]
        assert "removed" in said("remove", schedule_id)

        assert "every 90 s" in (said("add", "Pair", "--every", "90s") and said("list"))
        assert "once" in (said("add", "Pair", "--delay", "12h") and said("list"))
        assert run(["schedule", "show", schedule_id]) == Exit.USAGE
        assert run(["schedule", "add", "Pair", "--cron", "nonsense"]) == Exit.USAGE
        assert "/cron" in capsys.readouterr().err
