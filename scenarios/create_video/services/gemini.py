"""Gemini: pictures for slides."""

import base64
import binascii
import urllib.parse

from ..errors import ProviderError
from .http import parsed, post_json
from .settings import Account


def picture(account: Account, prompt: str, model: str) -> bytes:
    """A picture file for a prompt. Raises ProviderError, also when the model answers with words only."""
    url = f"{account.url}/models/{urllib.parse.quote(model, safe='')}:generateContent"
    body = {
        "contents": [{"parts": [{"text": prompt}]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]},
    }
    answer = parsed(post_json(url, body, {"x-goog-api-key": account.key}), url)
    try:
        parts = answer["candidates"][0]["content"]["parts"]
        data = next(part["inlineData"]["data"] for part in parts if "inlineData" in part)
        return base64.b64decode(data, validate=True)
    except (KeyError, IndexError, TypeError, StopIteration, binascii.Error) as error:
        raise ProviderError("upstream", "Gemini answered without a picture") from error
