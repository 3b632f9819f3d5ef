"""voice-service (also audio-service): speaks a text and says when each word is spoken."""

import json
import os
from typing import Any

from workers_sdk import Context, Done, Fail, Worker

from ..services import elevenlabs, openai
from ..services.settings import voice_account
from ..speech.engines import Spoken, speak_offline
from ..speech.sound import evenly_loud, mean_db
from ..speech.words import to_json
from ..writing.language import clean, detect_language
from .common import Params, as_text, done, number_of, referred, told_plainly

MAX_TEXT_CHARS = 20_000
MAX_INLINE_BYTES = 24_000
_OPENAI_MODEL, _OPENAI_VOICE = "gpt-4o-mini-tts", "alloy"
_ELEVENLABS_MODEL, _ELEVENLABS_VOICE = "eleven_multilingual_v2", "21m00Tcm4TlvDq8ikWAM"

worker = Worker("voice-service", "audio-service", concurrency=4)


class VoiceParams(Params):
    """`voice` and `model` as the provider names them; `auto` or empty takes its default."""

    model: str = ""
    voice: str = "auto"
    language: str = "auto"


@worker.task("CreateVoice")
def create_voice(params: VoiceParams, ctx: Context) -> Done:
    """Speak the text of `text_task_id`, or without it the prompt.

    Result: a WAV file, and `{duration_s, words | words_ref, provider, timing, language, mean_db}`; words are
    `[[start, end, word], ...]` in seconds.
    """
    result = referred(ctx, "text_task_id")
    source = as_text(ctx, result) if result else {"text": ctx.prompt}
    text = clean(str(source["text"]))
    if not any(ch.isalnum() for ch in text):
        raise Fail("there is no text to speak", code="bad_input")
    if len(text) > MAX_TEXT_CHARS:
        raise Fail(f"a text of {len(text)} characters; at most {MAX_TEXT_CHARS} are spoken", code="bad_input")
    language = (
        params.language
        if params.language not in ("", "auto")
        else str(source.get("language") or detect_language(text))
    )
    ctx.progress(10, "speaking")
    with told_plainly():
        spoken = _speak(text, language, params, take=number_of(ctx, "index") or 1)
    sound = evenly_loud(spoken.sound)
    artifact = ctx.artifacts.put("voice.wav", sound.to_wav(), "audio/wav")
    return done(
        artifact,
        duration_s=round(sound.duration, 3),
        **_words(ctx, spoken),
        provider=spoken.provider,
        timing=spoken.timing,
        language=language,
        mean_db=round(mean_db(sound), 1),
    )


def _speak(text: str, language: str, params: VoiceParams, take: int) -> Spoken:
    account = voice_account(os.environ)
    named = "" if params.voice == "auto" else params.voice
    if account.provider == "elevenlabs":
        voice = named or os.environ.get("ELEVENLABS_VOICE_ID") or _ELEVENLABS_VOICE
        return elevenlabs.speak(account, text, params.model or _ELEVENLABS_MODEL, voice)
    if account.provider == "openai":
        voice = named or os.environ.get("OPENAI_VOICE") or _OPENAI_VOICE
        return openai.speak(account, text, params.model or _OPENAI_MODEL, voice)
    return speak_offline(text, language, take)


def _words(ctx: Context, spoken: Spoken) -> dict[str, Any]:
    """The words in the result, or, when they would be too large for it, in an artifact."""
    words = to_json(spoken.words)
    data = json.dumps(words, ensure_ascii=False).encode()
    if len(data) <= MAX_INLINE_BYTES:
        return {"words": words}
    return {"words_ref": ctx.artifacts.put("words.json", data, "application/json").uri}


if __name__ == "__main__":
    worker.run()
