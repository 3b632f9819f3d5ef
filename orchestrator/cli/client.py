"""The API as the command line sees it: JSON in, JSON out, errors in words."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from .exits import CommandError, Exit
from .program import command

TIMEOUT_S: Final = 30.0

Json = Any


class ApiClient:
    """A client of one API server; a context manager.

    Every method raises CommandError: UNREACHABLE when nobody answers, USAGE when the server refuses the request.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_S)
        except httpx.InvalidURL as error:
            raise CommandError(f"{url} is not a URL: {error}", Exit.USAGE) from error

    def generate(self, body: Mapping[str, Json], idempotency_key: str | None = None) -> Json:
        """Start a scenario: `POST /generate`."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._call("POST", "/generate", json=body, headers=headers)

    def plan(self, body: Mapping[str, Json]) -> Json:
        """Render and check only: `POST /plan`."""
        return self._call("POST", "/plan", json=body)

    def scenario(self, scenario_id: str) -> Json:
        """One scenario with its tasks."""
        return self._call("GET", f"/scenarios/{quote(scenario_id, safe='')}")

    def scenarios(self, **query: str | int | None) -> Json:
        """A page of scenarios, newest first."""
        return self._call("GET", "/scenarios", params={k: v for k, v in query.items() if v is not None})

    def task(self, task_id: str) -> Json:
        """One task."""
        return self._call("GET", f"/tasks/{quote(task_id, safe='')}")

    def templates(self) -> Json:
        """All templates."""
        return self._call("GET", "/templates")

    def is_up(self) -> bool:
        """Whether the server answers and reaches Redis."""
        try:
            return self._http.get("/health").is_success
        except httpx.HTTPError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def _call(self, method: str, path: str, **options: Any) -> Json:
        try:
            response = self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = str(error) or type(error).__name__
            hint = f"start it with `{command('up')}`, or name another by --api URL"
            raise CommandError(f"no API at {self.url} ({text}); {hint}", Exit.UNREACHABLE) from error
        if response.is_success:
            return response.json()
        code = Exit.UNREACHABLE if response.status_code >= 500 else Exit.USAGE
        raise CommandError(_problem(response), code)


def _problem(response: httpx.Response) -> str:
    """Problem details (RFC 9457) as lines of text."""
    try:
        problem = response.json()
    except ValueError:
        return f"HTTP {response.status_code}: {response.text[:200]}"
    lines = [f"{problem.get('title', 'refused')} (HTTP {response.status_code})"]
    if detail := problem.get("detail"):
        lines.append(f"  {detail}")
    for error in problem.get("errors", []):
        place = error.get("pointer") or error.get("field") or ""
        lines.append(f"  {place}: {error.get('detail') or error.get('message') or error}".replace(" : ", " "))
    return "\n".join(lines)
