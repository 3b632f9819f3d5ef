"""JSON over HTTP to a paid service: bounded, never redirected, and failing in words a person can act on."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from ..errors import ProviderError

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_TIMEOUT_S = 120.0
_ATTEMPTS = 3
_LONGEST_PAUSE_S = 20.0
_PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


_pause = time.sleep
_opener = urllib.request.build_opener(_NoRedirect)


def post_json(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    """POST a JSON body and return the answer's bytes (at most 64 MiB).

    What passes by itself (429, 5xx, a broken connection) is tried three times with growing pauses, or those the
    service asks for. Raises ProviderError: `unauthorized`, `bad_input` (other 4xx), `upstream` for the rest.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ProviderError("bad_input", f"not an http address: {url}")
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"content-type": "application/json", "user-agent": "scenarist", **headers},
    )
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with _opener.open(request, timeout=_TIMEOUT_S) as answer:
                return _bounded(answer.read(MAX_ANSWER_BYTES + 1))
        except urllib.error.HTTPError as error:
            wait = _pause_for(error, attempt)
            if error.code not in _PASSING or attempt == _ATTEMPTS:
                raise _failure(url, error) from error
        except (OSError, HTTPException) as error:
            wait = float(attempt)
            if attempt == _ATTEMPTS:
                raise ProviderError("upstream", f"no answer from {_host(url)}: {error}") from error
        _pause(wait)
    raise AssertionError("unreachable")


def parsed(answer: bytes, url: str) -> Any:
    """The JSON value of an answer. Raises ProviderError when it is none."""
    try:
        return json.loads(answer)
    except ValueError as error:
        raise ProviderError("upstream", f"{_host(url)} did not answer with JSON") from error


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_ANSWER_BYTES:
        raise ProviderError("upstream", f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return data


def _pause_for(error: urllib.error.HTTPError, attempt: int) -> float:
    asked = error.headers.get("retry-after", "")
    return min(_LONGEST_PAUSE_S, float(asked)) if asked.isdigit() else float(2 ** (attempt - 1))


def _failure(url: str, error: urllib.error.HTTPError) -> ProviderError:
    code = (
        "unauthorized" if error.code in (401, 403) else "upstream" if error.code in _PASSING else "bad_input"
    )
    said = error.read(2000).decode(errors="replace").strip()
    return ProviderError(code, f"{_host(url)} answered {error.code} {error.reason}: {said[:400]}")


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or url
