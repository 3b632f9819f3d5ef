"""The tester's client: it repeats what was not answered, as any good client does."""

import asyncio
import time
from typing import Any, Final

import httpx

Json = Any

COME_AGAIN: Final = (429, 500, 503)


class Client:
    """Requests that survive an API that is killed.

    Attributes:
        strange: answers that should never be.
    """

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=20)
        self.strange: list[str] = []

    async def ask(
        self, method: str, path: str, *, patience_s: float = 60, **options: Any
    ) -> tuple[int, Json]:
        """Status and body of the final answer; 0: there was none within `patience_s`. Only for what may be repeated."""
        deadline = time.monotonic() + patience_s
        while True:
            code, answer = await self.once(method, path, **options)
            if code and code not in COME_AGAIN:
                return code, answer
            if time.monotonic() > deadline:
                return 0, {}
            await asyncio.sleep(0.3)

    async def once(self, method: str, path: str, **options: Any) -> tuple[int, Json]:
        """The same, asked once. 0: nobody knows what became of it."""
        try:
            answer = await self.http.request(method, path, **options)
        except httpx.HTTPError:
            return 0, {}
        if answer.status_code == 500:
            self.strange.append(f"{method} {path}: 500 {answer.text[:300]}")
        return answer.status_code, answer.json() if answer.content else {}

    async def aclose(self) -> None:
        """End all connections."""
        await self.http.aclose()
