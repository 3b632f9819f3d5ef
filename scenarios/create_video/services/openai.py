"""OpenAI and every server that speaks its protocol: narration, slide texts, speech, pictures."""

import base64
import binascii
import json
from typing import Any

from ..errors import ProviderError
from ..speech.engines import Spoken
from ..speech.sound import from_pcm
from ..speech.words import proportional
from ..writing.language import clean, detect_language, shorten, split_sentences
from ..writing.request import understand
from ..writing.script import MAX_NARRATION_CHARS, Script, SlideIdea, important
from .http import parsed, post_json
from .settings import Account

_PCM_RATE = 24_000
_SCRIPT_ROLE = (
    'You write short narrations for videos with slides. Answer with a JSON object {"title": string, "text": string}. '
    "The text is 4 to 8 plain sentences to be spoken, without markup, headings or stage directions, in the language of "
    "the user's request."
)
_SLIDE_ROLE = (
    'You write what one slide of a video says. Answer with a JSON object {"title": string, "points": [string], '
    '"prompt": string}: a headline of at most 60 characters and two or three points of at most 50 characters in the '
    "language of the narration, and in English a description of a background picture without any text in it."
)


def write_script(account: Account, model: str, description: str, language: str) -> Script:
    """A narration for a description. Raises ProviderError."""
    wish = description if language in ("", "auto") else f"{description}\n\n(Language: {language})"
    answer = _ask(account, model, _SCRIPT_ROLE, wish)
    text = clean(str(answer.get("text", "")))
    if not text:
        raise ProviderError("upstream", f"{model} answered without a text")
    sentences = important(split_sentences(text), MAX_NARRATION_CHARS)
    title = shorten(clean(str(answer.get("title", ""))).replace("\n", " "), 90) or shorten(sentences[0], 70)
    spoken = detect_language(text) if language in ("", "auto") else language
    return Script(title, tuple(sentences), spoken, understand(description, spoken).subject)


def write_slide(
    account: Account, model: str, wish: str, narration: str, index: int, total: int
) -> tuple[SlideIdea, str]:
    """What a slide says, and a prompt for the picture behind it. Raises ProviderError."""
    facts = {"request": wish, "narration": narration, "slide": index, "slides": total}
    answer = _ask(account, model, _SLIDE_ROLE, json.dumps(facts, ensure_ascii=False))
    title = shorten(clean(str(answer.get("title", ""))).replace("\n", " "), 120)
    if not title:
        raise ProviderError("upstream", f"{model} answered without a headline")
    given = answer.get("points")
    points = (
        [shorten(clean(str(point)).replace("\n", " "), 120) for point in given]
        if isinstance(given, list)
        else []
    )
    return SlideIdea(title, tuple(point for point in points if point)[:3]), str(answer.get("prompt", ""))[
        :2000
    ]


def speak(account: Account, text: str, model: str, voice: str) -> Spoken:
    """Speak a text. The service reports no word times, so they are proportional. Raises ProviderError."""
    body = {"model": model, "voice": voice, "input": text, "response_format": "pcm"}
    sound = from_pcm(post_json(f"{account.url}/audio/speech", body, _headers(account)), _PCM_RATE)
    if not sound.samples:
        raise ProviderError("upstream", "the speech service answered without sound")
    return Spoken(sound, tuple(proportional(text, sound.duration)), f"openai:{model}", "proportional")


def picture(account: Account, prompt: str, model: str, *, upright: bool) -> bytes:
    """A picture file for a prompt. Raises ProviderError."""
    url = f"{account.url}/images/generations"
    body = {"model": model, "prompt": prompt, "n": 1, "size": "1024x1536" if upright else "1536x1024"}
    answer = parsed(post_json(url, body, _headers(account)), url)
    try:
        return base64.b64decode(answer["data"][0]["b64_json"], validate=True)
    except (KeyError, IndexError, TypeError, binascii.Error) as error:
        raise ProviderError("upstream", "the image service answered without a picture") from error


def _ask(account: Account, model: str, role: str, wish: str) -> dict[str, Any]:
    """One question to a chat model; its JSON object, or its plain text as `text` and `title`."""
    url = f"{account.url}/chat/completions"
    body = {
        "model": model,
        "messages": [{"role": "system", "content": role}, {"role": "user", "content": wish}],
        "response_format": {"type": "json_object"},
    }
    answer = parsed(post_json(url, body, _headers(account)), url)
    try:
        content = str(answer["choices"][0]["message"]["content"] or "")
    except (KeyError, IndexError, TypeError) as error:
        raise ProviderError("upstream", f"{model} answered in an unknown form") from error
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    # Some local models ignore the response format: what they wrote is still a text.
    return (
        value if isinstance(value, dict) else {"text": content, "title": content.strip().partition("\n")[0]}
    )


def _headers(account: Account) -> dict[str, str]:
    return {"authorization": f"Bearer {account.key}"} if account.key else {}
