"""`scenarist submit` with an owner, and `scenarist batch`, against an API and an engine in processes of their own."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.cli.app import run
from orchestrator.cli.exits import Exit
from tests.support.fleet import running_api

from .conftest import ALONE

Said = Callable[..., str]


@pytest.fixture
def api(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "Alone.yml").write_text(ALONE)
    settings = {"SCENARIST_TEMPLATES": str(tmp_path / "templates"), "SCENARIST_UNSAFE_VOLATILE": "1"}
    with running_api(tmp_path, redis_url, **settings) as api:
        api.fleet.start("engine", "orchestrator", "engine")
        monkeypatch.setenv("SCENARIST_API", api.api_url)
        yield


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command and give what it prints, in JSON."""

    def call(*tokens: str, code: Exit = Exit.OK) -> str:
        capsys.readouterr()
        assert run([*tokens]) == code, capsys.readouterr().err
        return capsys.readouterr().out

    return call


@pytest.mark.usefixtures("api")
def test_an_owner_and_a_class_of_durability(said: Said, capsys: pytest.CaptureFixture[str]) -> None:
    owner = ["--tenant", "acme", "--priority", "1", "--submitter", "ann"]
    told = json.loads(said("submit", "Alone", *owner, "--durability", "memory", "-o", "json"))
    assert told["durability"] == {"asked": "memory", "reached": "memory", "reason": None}
    found = json.loads(said("scenarios", "--tenant", "acme", "-o", "json"))["items"]
    assert [(one["tenant"], one["priority"], one["submitter"]) for one in found] == [("acme", 1, "ann")]

    assert run(["submit", "Alone", "--durability", "replicated(1)"]) == Exit.OK
    assert "not as durable as asked: 0 of 1 replicas" in capsys.readouterr().err
    assert run(["submit", "Alone", "--durability", "disk"]) == Exit.USAGE


@pytest.mark.usefixtures("api")
def test_a_batch_from_a_file_to_its_cancellation(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "batch.ndjson"
    file.write_text('{"scenario":"Alone"}\n{"scenario":"Nobody"}\n{"scenario":"Alone","tenant":"acme"}\n')

    text = said("batch", str(file), "--idempotency-key", "k1", code=Exit.FAILED)
    assert "2 accepted, 1 refused" in text
    assert "line 2: unknown_template" in text
    batch_id = text.split()[0]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(file.read_bytes())))
    again = json.loads(said("batch", "-", "--idempotency-key", "k1", "-o", "json", code=Exit.FAILED))
    assert (again["batch_id"], again["replayed"]) == (batch_id, 2)

    assert "processing, 0 % of 2: 2 unfinished" in said("batches", "show", batch_id)
    page = json.loads(said("batches", "scenarios", batch_id, "--limit", "1", "-o", "json"))
    assert (page["items"][0]["line"], page["next_cursor"]) == (1, "1")
    told = json.loads(said("batches", "cancel", batch_id, "--reason", "wrong", "--by", "ann", "-o", "json"))
    assert told["cancelled"] == {"type": "cancelled", "message": "wrong", "by": "ann"}
    said("batch", str(file), "--idempotency-key", "k2", "--watch", "--timeout", "0.1", code=Exit.TIMEOUT)
    said("batch", str(tmp_path / "nothing"), code=Exit.USAGE)
