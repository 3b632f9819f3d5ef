import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from orchestrator.logs import configure


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_json_line_hides_secrets(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", json=True)

    structlog.get_logger("test").info(
        "started",
        Authorization="Bearer s3cret",
        redis="redis://user:s3cret@host:6379/0",
        nested={"api_key_of_x": "s3cret", "list": [{"password": "s3cret"}], "kept": "yes"},
    )

    text = capfd.readouterr().err
    assert "s3cret" not in text
    line = json.loads(text)
    assert line["redis"] == "redis://user:***@host:6379/0"
    assert line["nested"]["kept"] == "yes"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_value_cannot_forge_a_line(capfd: pytest.CaptureFixture[str], as_json: bool) -> None:
    configure("info", json=as_json)

    structlog.get_logger("test").info("started", name='x"\n{"level": "critical"}')

    assert len(capfd.readouterr().err.splitlines()) == 1


def test_lines_of_libraries_have_the_same_form_and_level(capfd: pytest.CaptureFixture[str]) -> None:
    configure("warning", json=True)

    logging.getLogger("uvicorn.error").info("quiet")
    logging.getLogger("uvicorn.error").warning("listening on %s", "redis://:s3cret@h")
    structlog.get_logger("test").info("quiet too")

    lines = capfd.readouterr().err.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["listening on redis://:***@h"]


def test_an_exception_is_one_line_without_the_secret_in_it(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", json=True)

    try:
        raise ConnectionError("redis://u:s3cret@h refused")
    except ConnectionError:
        structlog.get_logger("test").exception("failed")

    text = capfd.readouterr().err
    assert "s3cret" not in text
    assert "ConnectionError" in json.loads(text)["exception"]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("redis://host:6379/0?password=s3cret&db=1", "redis://host:6379/0?password=***&db=1"),
        ("redis://host?db=1&PASSWORD=s3cret failed", "redis://host?db=1&PASSWORD=*** failed"),
        ("https://host/x?api_key=s3cret#end", "https://host/x?api_key=***#end"),
        ("redis://user:s3c@ret@host/0", "redis://user:***@host/0"),
        ("http://host:80/a?page=2", "http://host:80/a?page=2"),
    ],
)
def test_a_password_in_an_address_is_hidden_wherever_it_stands(
    capfd: pytest.CaptureFixture[str], told: str, kept: str
) -> None:
    configure("info", json=True)

    structlog.get_logger("test").info("connecting", to=told)
    logging.getLogger("library").info("connecting to %s", told)

    ours, theirs = map(json.loads, capfd.readouterr().err.splitlines())
    assert (ours["to"], theirs["event"]) == (kept, f"connecting to {kept}")


def test_a_line_takes_any_value(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", json=True)

    structlog.get_logger("test").info(
        "odd", half="\ud800", large=2**70, keys={1: "a", (2, 3): "b"}, thing=object()
    )

    assert json.loads(capfd.readouterr().err)["half"] == "\ud800"


def test_a_log_that_nobody_takes_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure("info", json=True)
    stream.close()

    structlog.get_logger("test").info("nobody reads this")
