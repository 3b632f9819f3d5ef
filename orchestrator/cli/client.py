"""The API as the command line sees it: JSON in, JSON out, errors in words."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import quote

import httpx

from .exits import CommandError, Exit
from .program import command

TIMEOUT_S: Final = 30.0
PAGE: Final = 1_000

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
        return self.call("POST", "/generate", "scenario_id", json=body, headers=headers)

    def plan(self, body: Mapping[str, Json]) -> Json:
        """Render and check only: `POST /plan`."""
        return self.call("POST", "/plan", "tasks", json=body)

    def scenario(self, scenario_id: str) -> Json:
        """One scenario with all its tasks, on however many pages they are."""
        path = f"/scenarios/{quote(scenario_id, safe='')}"
        found = self.call("GET", path, "tasks")
        cursor = found.get("next_cursor")
        while cursor:
            query = {"limit": PAGE, "cursor": cursor}
            page = self.call("GET", f"{path}/tasks", "tasks", params=query)
            found["tasks"] += page["tasks"]
            cursor = page["next_cursor"]
        return found

    def scenarios(self, **query: str | int | None) -> Json:
        """A page of scenarios, newest first."""
        return self.page("/scenarios", **query)

    def page(self, path: str, **query: Any) -> Json:
        """A page of a list; what is None or empty is not asked for."""
        given = {name: value for name, value in query.items() if value not in (None, ())}
        return self.call("GET", path, "items", params=given)

    def task(self, task_id: str) -> Json:
        """One task."""
        return self.call("GET", f"/tasks/{quote(task_id, safe='')}", "id")

    def attempts(self, task_id: str) -> Json:
        """Attempts of a task that did not succeed."""
        return self.call("GET", f"/tasks/{quote(task_id, safe='')}/attempts", "items")

    def cancel(self, kind: Literal["scenarios", "tasks"], any_id: str, reason: str) -> Json:
        """Cancel a scenario or a task."""
        path = f"/{kind}/{quote(any_id, safe='')}/cancel"
        return self.call("POST", path, "status", json={"reason": reason} if reason else {})

    def templates(self) -> Json:
        """All templates."""
        return self.call("GET", "/templates", "items")

    def queues(self) -> dict[str, Json]:
        """The ready tasks of each service, and who reads them."""
        queues: dict[str, Json] = self.call("GET", "/health", "queues")["queues"]
        return queues

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

    def call(self, method: str, path: str, member: str, **options: Any) -> Json:
        """The object that is answered; every answer of ours to this has `member`. `options` are those of httpx."""
        try:
            response = self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = str(error) or type(error).__name__
            hint = f"start it with `{command('up')}`, or name another by --api URL"
            raise CommandError(f"no API at {self.url} ({text}); {hint}", Exit.UNREACHABLE) from error
        answer = _object(response)
        if response.is_success and member in answer:
            return answer
        if response.is_success or "title" not in answer:
            text = f"what answers at {self.url} is no API of ours (HTTP {response.status_code} to {method} {path})"
            raise CommandError(f"{text}; name another by --api URL", Exit.UNREACHABLE)
        code = Exit.UNREACHABLE if response.status_code >= 500 else Exit.USAGE
        raise CommandError(_problem(response, answer), code)


def _object(response: httpx.Response) -> dict[str, Json]:
    """The JSON object in an answer; an empty one when there is none."""
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _problem(response: httpx.Response, problem: Mapping[str, Json]) -> str:
    """Problem details (RFC 9457) as lines of text."""
    lines = [f"{problem['title']} (HTTP {response.status_code})"]
    errors, detail = problem.get("errors", []), str(problem.get("detail") or "")
    if problem.get("code") == "not_found" and (path := problem.get("instance")):
        detail = f"There is nothing at {path}: it never was, or retention removed it."
    if detail and not any(error.get("detail", "?") in detail for error in errors):  # else it stands below
        lines.append(f"  {detail}")
    for error in errors:
        place = error.get("pointer") or error.get("field") or error.get("parameter") or ""
        lines.append(f"  {place}: {error.get('detail') or error.get('message') or error}".replace(" : ", " "))
    if problem.get("code") == "unknown_template":
        lines.append("  The API reads templates when it starts.")
    return "\n".join(lines)
