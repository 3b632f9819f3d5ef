"""The real providers against a server on this machine that answers in their form."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scenarios.create_video.errors import ProviderError
from scenarios.create_video.services import http
from scenarios.create_video.services.settings import OFFLINE, image_account, text_account, voice_account
from scenarios.create_video.workers import image, text, voice
from workers_sdk import Artifacts
from workers_sdk.testing import run_handler

KEY = "sk-test"
PCM = b"".join((1000 if i % 20 < 10 else -1000).to_bytes(2, "little", signed=True) for i in range(24_000))


@dataclass
class Call:
    """One request as the server saw it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Service:
    """A server: answers by path with a status and bytes, or with the next of several; remembers what it was asked."""

    url: str
    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def on(self, path: str, *answers: tuple[int, bytes]) -> None:
        """Set the answers of a path; the last one repeats."""
        self.answers[path] = list(answers)


@pytest.fixture
def service() -> Iterator[Service]:
    """A service on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            path = self.path.partition("?")[0]
            made.calls.append(
                Call(self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(data))
            )
            queue = made.answers.get(path, [(404, b"no such path")])
            status, body = queue.pop(0) if len(queue) > 1 else queue[0]
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("location", "/stolen")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Service(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def openai(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service as OpenAI, with a key."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{service.url}/v1/")
    return service


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(http, "_pause", waited.append)
    return waited


def _chat(content: str) -> tuple[int, bytes]:
    return 200, json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


async def test_a_model_writes_the_narration(openai: Service) -> None:
    openai.on("/v1/chat/completions", _chat(json.dumps({"title": "Коты", "text": "Коты спят. **Много!**"})))
    ran = await run_handler(
        text.worker, "CreateText", prompt="Создай видео про котов", params={"model": "m-1"}
    )
    assert ran.ok, ran.error
    assert (ran.value["title"], ran.value["text"]) == ("Коты", "Коты спят. Много!")
    assert (ran.value["language"], ran.value["provider"]) == ("ru", "openai:m-1")
    (call,) = openai.calls
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.body["model"] == "m-1"
    assert call.body["messages"][-1] == {"role": "user", "content": "Создай видео про котов"}


async def test_a_model_that_ignores_the_format_is_still_understood(openai: Service) -> None:
    openai.on("/v1/chat/completions", _chat("Cats sleep.\nThey play."))
    ran = await run_handler(text.worker, "CreateText", prompt="A video about cats")
    assert ran.value["sentences"] == ["Cats sleep.", "They play."]


async def test_a_local_server_needs_no_key(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", service.url)
    monkeypatch.setenv("OPENAI_MODEL", "llama")
    service.on("/chat/completions", _chat('{"title": "T", "text": "Text."}'))
    ran = await run_handler(text.worker, "CreateText", prompt="x")
    assert ran.value["provider"] == "openai:llama"
    assert "authorization" not in service.calls[0].headers
    assert voice_account({"OPENAI_BASE_URL": service.url}) is OFFLINE


async def test_a_model_writes_a_slide_from_the_narration(openai: Service) -> None:
    slide = {
        "title": "Сон котов",
        "points": ["Днём", "Ночью", "", "Всегда", "Ещё"],
        "prompt": "a sleeping cat",
    }
    openai.on("/v1/chat/completions", _chat(json.dumps(slide)))
    ran = await run_handler(
        text.worker, "CreateSlidePrompt", prompt="Про котов", fields={"index": "2", "total": "3"},
        results={"text_task_id": {"title": "Коты", "text": "Коты спят.", "subject": "котов"}},
    )  # fmt: skip
    assert ran.ok, ran.error
    assert (ran.value["title"], ran.value["points"]) == ("Сон котов", ["Днём", "Ночью", "Всегда"])
    assert (ran.value["prompt"], ran.value["topic"], ran.value["index"]) == ("a sleeping cat", "котов", 2)
    asked = json.loads(openai.calls[0].body["messages"][-1]["content"])
    assert asked == {"request": "Про котов", "narration": "Коты спят.", "slide": 2, "slides": 3}


async def test_openai_speaks(openai: Service, tmp_path: Path) -> None:
    openai.on("/v1/audio/speech", (200, PCM))
    ran = await run_handler(
        voice.worker, "CreateVoice", prompt="Hello there", params={"voice": "nova"}, artifacts=tmp_path
    )
    assert ran.ok, ran.error
    assert (ran.value["duration_s"], ran.value["timing"]) == (1.0, "proportional")
    assert ran.value["provider"] == "openai:gpt-4o-mini-tts"
    assert ran.value["mean_db"] == pytest.approx(-18, abs=1)
    assert openai.calls[0].body == {
        "model": "gpt-4o-mini-tts", "voice": "nova", "input": "Hello there", "response_format": "pcm",
    }  # fmt: skip


async def test_elevenlabs_speaks_and_tells_the_times(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    monkeypatch.setenv("ELEVENLABS_BASE_URL", service.url)
    characters = list("Hi you")
    alignment = {
        "characters": characters,
        "character_start_times_seconds": [0.1 * i for i in range(6)],
        "character_end_times_seconds": [0.1 * i + 0.1 for i in range(6)],
    }
    answer = {
        "audio_base64": base64.b64encode(PCM).decode(),
        "alignment": alignment,
        "normalized_alignment": None,
    }
    service.on("/text-to-speech/my%20voice/with-timestamps", (200, json.dumps(answer).encode()))
    ran = await run_handler(
        voice.worker, "CreateVoice", prompt="Hi you", params={"voice": "my voice"}, artifacts=tmp_path
    )
    assert ran.ok, ran.error
    assert ran.value["words"] == [[0.0, 0.2, "Hi"], [0.3, 0.6, "you"]]
    assert (ran.value["timing"], ran.value["provider"]) == ("tts-events", "elevenlabs:eleven_multilingual_v2")
    (call,) = service.calls
    assert call.headers["xi-api-key"] == KEY
    assert call.path.endswith("?output_format=pcm_22050")
    assert call.body == {"text": "Hi you", "model_id": "eleven_multilingual_v2"}


async def test_openai_draws_the_background(openai: Service, tmp_path: Path) -> None:
    answer = {"data": [{"b64_json": base64.b64encode(_png()).decode()}]}
    openai.on("/v1/images/generations", (200, json.dumps(answer).encode()))
    await _red_slide("openai:gpt-image-1", tmp_path)
    assert openai.calls[0].body["size"] == "1536x1024"
    assert "a cat" in openai.calls[0].body["prompt"]


async def test_gemini_draws_the_background(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GEMINI_BASE_URL", service.url)
    parts = [
        {"text": "Here it is"},
        {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(_png()).decode()}},
    ]
    answer = {"candidates": [{"content": {"parts": parts}}]}
    service.on("/models/gemini-2.5-flash-image:generateContent", (200, json.dumps(answer).encode()))
    await _red_slide("gemini:gemini-2.5-flash-image", tmp_path)
    assert service.calls[0].headers["x-goog-api-key"] == KEY


async def _red_slide(provider: str, folder: Path) -> None:
    ran = await run_handler(
        image.worker, "CreateSlide", params={"resolution": "320x180"}, artifacts=folder,
        results={"slide_prompt_id": {"title": "Коты", "points": ["Спят"], "prompt": "a cat", "index": 2, "total": 3}},
    )  # fmt: skip
    assert ran.ok, ran.error
    assert ran.value["provider"] == provider
    with Image.open(io.BytesIO(Artifacts(str(folder), "test").get(ran.ref))) as picture:
        red, green, _ = picture.convert("RGB").getpixel((318, 60))  # type: ignore[misc]
        assert red > 200 > 80 > green


async def test_what_passes_by_itself_is_tried_again(openai: Service, pauses: list[float]) -> None:
    openai.on("/v1/chat/completions", (429, b"slow down"), (503, b"busy"), _chat('{"text": "Text."}'))
    ran = await run_handler(text.worker, "CreateText", prompt="x")
    assert ran.ok
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "body", "code", "calls"),
    [
        (401, b'{"error": "bad key"}', "unauthorized", 1),
        (400, b"bad model", "bad_input", 1),
        (500, b"oops", "upstream", 3),
        (302, b"", "bad_input", 1),
        (200, b"no json", "upstream", 1),
        (200, b'{"choices": []}', "upstream", 1),
        (200, b'{"choices": [{"message": {"content": ""}}]}', "upstream", 1),
    ],
)
async def test_a_refusal_fails_the_task_in_plain_words_and_without_the_key(
    openai: Service, status: int, body: bytes, code: str, calls: int
) -> None:
    openai.on("/v1/chat/completions", (status, body))
    ran = await run_handler(text.worker, "CreateText", prompt="x")
    assert ran.error is not None
    assert ran.error["type"] == code
    assert KEY not in json.dumps(ran.error)
    assert [call.path for call in openai.calls] == ["/v1/chat/completions"] * calls


@pytest.mark.parametrize(
    "body", [b"{}", b'{"data": [{"b64_json": "%%%"}]}', b'{"data": [{"b64_json": "aGk="}]}']
)
async def test_an_answer_without_a_picture_fails_the_task(
    openai: Service, body: bytes, tmp_path: Path
) -> None:
    openai.on("/v1/images/generations", (200, body))
    ran = await run_handler(image.worker, "CreateSlide", prompt="Коты", artifacts=tmp_path)
    assert ran.error is not None
    assert ran.error["type"] == "upstream"


def test_no_answer_at_all_is_told_as_such(pauses: list[float]) -> None:
    with pytest.raises(ProviderError, match=r"no answer from 127\.0\.0\.1") as caught:
        http.post_json("http://127.0.0.1:9/x", {}, {})
    assert caught.value.code == "upstream"
    assert len(pauses) == 2
    with pytest.raises(ProviderError, match="not an http address"):
        http.post_json("file:///etc/passwd", {}, {})


@pytest.mark.parametrize(
    ("choose", "env", "provider"),
    [
        (text_account, {}, "offline"),
        (text_account, {"OPENAI_API_KEY": "k"}, "openai"),
        (text_account, {"OPENAI_API_KEY": "k", "SCENARIST_TEXT": "offline"}, "offline"),
        (voice_account, {"OPENAI_API_KEY": "k", "ELEVENLABS_API_KEY": "e"}, "elevenlabs"),
        (
            voice_account,
            {"OPENAI_API_KEY": "k", "ELEVENLABS_API_KEY": "e", "SCENARIST_VOICE": "openai"},
            "openai",
        ),
        (image_account, {"GEMINI_API_KEY": "g"}, "gemini"),
        (image_account, {"GEMINI_API_KEY": "g", "SCENARIST_IMAGES": "offline"}, "offline"),
    ],
)
def test_keys_and_switches_choose_the_provider(
    choose: Callable[[dict[str, str]], Any], env: dict[str, str], provider: str
) -> None:
    assert choose(env).provider == provider


def test_a_provider_that_is_asked_for_but_has_no_key_is_an_error() -> None:
    with pytest.raises(ProviderError, match="SCENARIST_VOICE=elevenlabs"):
        voice_account({"SCENARIST_VOICE": "elevenlabs"})


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (250, 20, 20)).save(buffer, "PNG")
    return buffer.getvalue()
