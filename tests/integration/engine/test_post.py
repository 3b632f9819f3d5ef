"""One request to an endpoint: to the address that was checked, by the name that was given, and nothing more than that."""

import asyncio
import logging
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.egress import Egress
from orchestrator.engine.post import Post
from tests.support.receiver import listening, receiving

HOST = "hook.invalid"  # no name server knows it


class Looked(Egress):
    """Answers for the name server, once for each request."""

    def __init__(self, *addresses: str) -> None:
        super().__init__(allow_http=True, allow_private=True)
        self.given = list(addresses)
        self.asked = 0

    async def addresses(self, url: httpx.URL) -> list[str]:
        self.asked += 1
        return self.given


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A certificate for HOST that is its own authority, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    words = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={HOST} -addext subjectAltName=DNS:{HOST}"
    subprocess.run(
        ["openssl", *words.split(), "-keyout", path, "-out", f"{path}.c"], check=True, capture_output=True
    )
    path.write_text(path.read_text() + Path(f"{path}.c").read_text())
    yield path


async def test_the_name_is_looked_up_once_and_goes_into_the_header() -> None:
    egress = Looked("127.0.0.1")
    async with receiving(host=HOST) as receiver:
        answer = await Post(egress, 5.0).post(f"{receiver.url}?a=b", b"{}", {"webhook-id": "m1"})

    [request] = receiver.requests
    assert (answer.status, egress.asked) == (204, 1)
    assert request.headers["host"] == receiver.url.split("/")[2]
    assert (request.path, request.body, request.headers["webhook-id"]) == ("/hook?a=b", b"{}", "m1")


async def test_the_certificate_must_be_that_of_the_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    egress = Looked("127.0.0.1")
    async with receiving(context, HOST) as receiver:
        unknown = await Post(egress, 5.0).post(receiver.url, b"{}", {})
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        known = await Post(egress, 5.0).post(receiver.url, b"{}", {})
        other = await Post(egress, 5.0).post(receiver.url.replace(HOST, "other.invalid"), b"{}", {})

    assert (known.status, known.error) == (204, "")
    assert unknown.status == other.status == 0
    assert "certificate" in unknown.error.lower() and "certificate" in other.error.lower()
    assert len(receiver.requests) == 1


async def test_another_address_is_tried_when_the_first_takes_no_connection() -> None:
    async with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        answer = await Post(Looked("127.0.0.2", "127.0.0.1"), 5.0).post(f"http://{HOST}:{port}/", b"{}", {})
        nowhere = await Post(Looked("127.0.0.2"), 5.0).post(f"http://{HOST}:{port}/", b"{}", {})
    assert answer.status == 204
    assert (nowhere.status, nowhere.error.split(":")[0]) == (0, "ConnectError")


async def test_redirections_are_not_followed_and_cookies_not_kept() -> None:
    async with receiving() as receiver:
        post = Post(Looked("127.0.0.1"), 5.0)
        receiver.answers = [f"307 There\r\nlocation: {receiver.url}/other", "200 OK\r\nset-cookie: a=b", 200]
        answers = [await post.post(receiver.url, b"{}", {}) for _ in range(3)]
    assert [answer.status for answer in answers] == [307, 200, 200]
    assert [request.path for request in receiver.requests] == ["/hook"] * 3
    assert not [request for request in receiver.requests if "cookie" in request.headers]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with receiving() as receiver:
        assert (await Post(Looked("127.0.0.1"), 5.0).post(receiver.url, b"{}", {})).status == 204


async def test_an_address_that_became_private_is_refused_when_sending() -> None:
    async with receiving() as receiver:
        answer = await Post(Egress(allow_http=True), 5.0).post(receiver.url, b"{}", {})
    assert (answer.status, answer.error) == (0, "The host of the URL has an address that is not public.")
    assert receiver.requests == []


async def test_silence_ends_after_the_timeout() -> None:
    async with receiving() as receiver:
        receiver.holds = True
        answer = await Post(Looked("127.0.0.1"), 0.1).post(receiver.url, b"{}", {})
    assert (answer.status, answer.error) == (0, "no answer within 0.1 s")


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 302 There\r\nlocation: http://xn--a/\r\ncontent-length: 0\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_an_error_and_no_bug(said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)

    async with listening(talk) as port:
        answer = await Post(Looked("127.0.0.1"), 5.0).post(f"http://127.0.0.1:{port}/", b"{}", {})

    assert answer.status == 0 and answer.error


async def test_an_endless_answer_is_cut_off_and_its_status_counts() -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()
            sent += 1

    async with listening(pour) as port:
        answer = await Post(Looked("127.0.0.1"), 5.0).post(f"http://127.0.0.1:{port}/", b"{}", {})

    assert (answer.status, answer.error) == (200, "")
    assert sent < 64 * 1024


async def test_no_log_line_shows_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiving() as receiver:
        await Post(Looked("127.0.0.1"), 5.0).post(f"{receiver.url}/a-secret", b"{}", {})
    assert "a-secret" not in caplog.text
