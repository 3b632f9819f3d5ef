"""ElevenLabs: speech with the time of every character."""

import base64
import binascii
import urllib.parse

from ..errors import ProviderError
from ..speech.engines import Spoken
from ..speech.sound import from_pcm
from ..speech.words import from_characters
from .http import parsed, post_json
from .settings import Account

_RATE = 22_050


def speak(account: Account, text: str, model: str, voice: str) -> Spoken:
    """Speak a text with a voice (its id). Raises ProviderError."""
    url = f"{account.url}/text-to-speech/{urllib.parse.quote(voice, safe='')}/with-timestamps?output_format=pcm_{_RATE}"
    answer = parsed(post_json(url, {"text": text, "model_id": model}, {"xi-api-key": account.key}), url)
    try:
        sound = from_pcm(base64.b64decode(answer["audio_base64"], validate=True), _RATE)
        times = answer["alignment"]
        words = from_characters(
            times["characters"], times["character_start_times_seconds"], times["character_end_times_seconds"]
        )
    except (KeyError, TypeError, binascii.Error) as error:
        raise ProviderError("upstream", "ElevenLabs answered in an unknown form") from error
    if not sound.samples:
        raise ProviderError("upstream", "ElevenLabs answered without sound")
    return Spoken(sound, tuple(words), f"elevenlabs:{model}", "tts-events")
