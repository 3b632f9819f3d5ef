"""Whatever an API answers, a command ends with words and the right code."""

import http.server
import socket
import threading
from typing import Any

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


class Foreign(http.server.BaseHTTPRequestHandler):
    """Answers everything in the same way."""

    status, body, kind = 200, b"<h1>hello</h1>", "text/html"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<h1>hello</h1>"),
        (200, b"[]"),
        (200, b'{"hello": "world"}'),
        (404, b"<h1>nothing</h1>"),
        (404, b'{"detail": "Not Found"}'),
        (502, b"<h1>bad gateway</h1>"),
    ],
)
@pytest.mark.parametrize(
    "tokens", [["scenarios"], ["task", "x"], ["scenario", "x"], ["submit", "x"], ["templates"]]
)
def test_an_address_where_something_else_answers_is_told(
    status: int, body: bytes, tokens: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kind = type("Kind", (Foreign,), {"status": status, "body": body})
    with http.server.HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        code = run([*tokens, "--api", url])
        server.shutdown()
        thread.join()

    said = capsys.readouterr().err
    assert code == Exit.UNREACHABLE
    assert said.startswith(f"error: what answers at {url} is no API of ours (HTTP {status} to ")
    assert len(said.splitlines()) == 1


def test_the_tasks_of_all_pages_are_put_together() -> None:
    asked: list[Any] = []

    class Paged(ApiClient):
        def call(self, method: str, path: str, member: str, **options: Any) -> Any:
            asked.append((path, options.get("params")))
            number = len(asked)
            return {"tasks": [number], "next_cursor": str(number) if number < 3 else None, "name": "N"}

    with Paged("http://nobody") as client:
        found = client.scenario("s")

    assert (found["name"], found["tasks"]) == ("N", [1, 2, 3])
    assert [cursor and cursor["cursor"] for _, cursor in asked] == [None, "1", "2"]


@pytest.mark.parametrize("command", [["serve"], ["engine"], ["worker", "x"], ["up"], ["demo"]])
@pytest.mark.parametrize(
    "url",
    [
        "redis://user:s3cret@host:port/0",
        "redis://:s3c/ret@host",
        "redis://[s3cret",
        "rediss://h?ssl_ca_certs=/s3cret",
    ],
)
def test_an_address_of_redis_that_cannot_be_read_is_one_line_without_it(
    command: list[str], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--redis", url]) == Exit.USAGE
    said = capsys.readouterr()
    assert said.err.startswith("error: REDIS_URL: ")
    assert len(said.err.splitlines()) == 1
    assert "s3c" not in said.err + said.out


def test_a_taken_port_gives_the_next_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) > port
