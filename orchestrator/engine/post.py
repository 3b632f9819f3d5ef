"""One HTTP request to an endpoint of webhooks: to an address that was checked, within limits, and what came back."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import httpx

from orchestrator.egress import Egress, NotAllowed
from workers_sdk.protocol.seams import Clock, SystemClock

CONNECT_S: Final = 5.0
MAX_ADDRESSES: Final = 3
MAX_ANSWER_BYTES: Final = 65_536
DRAIN_S: Final = 1.0
"""How long the body of an answer is read, whose status has decided already: closing in its middle looks like an error."""
MAX_ERROR_CHARS: Final = 200

# The line of a request would show its URL, and a URL may be a secret.
for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request ended: a `status` of HTTP, or 0 and an `error`. `retry_after_s`: what the endpoint asked for, if it did."""

    status: int
    ms: int
    error: str = ""
    retry_after_s: int | None = None


class Post:
    """Sends. Every request has a connection of its own, no cookies, no proxy, and follows no redirection.

    Args:
        timeout_s: for the whole of a request, from the look-up of the name on.
    """

    def __init__(self, egress: Egress, timeout_s: float, clock: Clock | None = None) -> None:
        self._egress = egress
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request and wait for its answer. Whatever goes wrong is an answer too."""
        started = self._clock.monotonic()
        status, error, retry_after_s = 0, "", None
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._to_any(self._egress.check(url), body, headers)
                status, retry_after_s = response.status_code, _retry_after_s(response)
        except TimeoutError:
            error = f"no answer within {self._timeout_s:g} s"
        except NotAllowed as refusal:
            error = str(refusal)
        except Exception as failure:  # nothing that a stranger answers may end the process
            error = f"{type(failure).__name__}: {failure}"[:MAX_ERROR_CHARS]
        return Answer(status, round((self._clock.monotonic() - started) * 1000), error, retry_after_s)

    async def _to_any(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Try the addresses of the host until one takes a connection."""
        addresses = (await self._egress.addresses(url))[:MAX_ADDRESSES]
        for address in addresses[:-1]:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._to(url, address, body, headers)
        return await self._to(url, addresses[-1], body, headers)

    async def _to(
        self, url: httpx.URL, address: str, body: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        """The name goes into the header Host and into TLS, which compares the certificate with it."""
        own = {"host": url.netloc.decode("ascii"), "content-type": "application/json", **headers}
        timeout = httpx.Timeout(self._timeout_s, connect=CONNECT_S)
        async with (
            httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=timeout) as client,
            client.stream(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers=own,
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            ) as response,
        ):
            with contextlib.suppress(TimeoutError, httpx.HTTPError):
                async with asyncio.timeout(DRAIN_S):
                    await _drain(response)
            return response


async def _drain(response: httpx.Response) -> None:
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            return


def _retry_after_s(response: httpx.Response) -> int | None:
    """Only as a number of seconds: a date would depend on two clocks."""
    text = response.headers.get("retry-after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
