"""Whatever an API answers, a command ends with words and the right code."""

import socket

import pytest

from orchestrator.cli.app import run
from orchestrator.cli.client import ApiClient
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.fleet import free_port


def test_nobody_there_is_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port("127.0.0.1", 0)
    assert run(["scenarios", "--api", f"http://127.0.0.1:{port}"]) == Exit.UNREACHABLE
    assert "scenarist up" in capsys.readouterr().err


@pytest.mark.parametrize(
    "tokens", [["nonsense"], ["submit"], ["task", "x", "--nonsense"], ["worker", "no/such"]]
)
def test_wrong_usage_is_code_2(tokens: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tokens) == Exit.USAGE
    assert "error:" in capsys.readouterr().err


def test_a_setting_that_is_wrong_is_named_without_its_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "http://:secret@host")
    assert run(["up"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "REDIS_URL" in said
    assert "secret" not in said


def test_a_url_that_is_none_is_wrong_usage() -> None:
    with pytest.raises(CommandError):
        ApiClient("http://[").scenario("x")


def test_a_taken_port_gives_the_next_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) > port
