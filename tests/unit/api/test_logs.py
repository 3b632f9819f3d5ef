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
