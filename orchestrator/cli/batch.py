"""Batches by the command line: scenarios that are started, followed and cancelled together."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final
from urllib.parse import quote

from cyclopts import Parameter
from rich.console import Console, Group, RenderableType
from rich.text import Text

from .client import ApiClient
from .exits import CommandError, Exit
from .options import Api, Output, Timeout, api_url
from .output import show, show_page
from .request import because, durability_of, less_durable
from .view import STYLES, scenarios_table

CHUNK_BYTES: Final = 64 * 1024
TIMEOUT_S: Final = 3_600.0
EVERY_S: Final = 0.5
SHOWN: Final = 20
"""Refused lines that are shown as text."""

Json = Any
Watch = Annotated[bool, Parameter(name=["--watch", "-w"], negative=(), help="Wait until all have ended.")]


def batch(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    idempotency_key: str | None = None,
    durability: str | None = None,
    watch: Watch = False,
    timeout: Timeout = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Start a scenario for each line of a file.

    Args:
        file: Each line is a JSON object as `POST /generate` takes it; - is the standard input.
        idempotency_key: Repeated with the same key, it goes on where it was broken off.
        durability: memory, fsync or replicated(n): what all of it is to survive before the answer.
    """
    if durability is not None:
        durability_of(durability)
    options: dict[str, Any] = {
        "headers": {"Content-Type": "application/x-ndjson"}
        | ({"Idempotency-Key": idempotency_key} if idempotency_key else {}),
        "params": {"durability": durability} if durability else {},
        "timeout": TIMEOUT_S,
    }
    with ExitStack() as stack:
        lines = _opened(file, stack)
        client = stack.enter_context(ApiClient(api_url(api)))
        answer = client.call("POST", "/batches", "results", content=_chunks(lines), **options)
        if output == "text":
            for warning in less_durable(answer["durability"]):
                Console(stderr=True).print(Text(f"warning: {warning['message']}", style="yellow"))
        if not watch:
            show(answer, _accepted(answer), output)
            return Exit.FAILED if answer["refused"] else Exit.OK
        if output == "text":
            Console(stderr=True).print(_accepted(answer))
        found = _followed(client, answer["batch_id"], timeout)
    show(found, _line(found), output)
    return Exit.OK if found["counts"]["success"] == found["total"] and not answer["refused"] else Exit.FAILED


def show_(batch_id: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Show how far a batch is."""
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", _path(batch_id), "batch_id")
    show(found, _line(found), output)
    return Exit.OK


def scenarios(
    batch_id: str,
    /,
    *,
    status: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
    api: Api = None,
    output: Output = "text",
) -> int:
    """List the scenarios of a batch, by line.

    Args:
        status: Only those in this status.
        limit: How many.
        cursor: Where the page before ended.
    """
    with ApiClient(api_url(api)) as client:
        page = client.page(f"{_path(batch_id)}/scenarios", status=status, limit=limit, cursor=cursor)
    show_page(page, scenarios_table(page["items"]), output)
    return Exit.OK


def cancel(
    batch_id: str, /, *, reason: str = "", by: str = "", api: Api = None, output: Output = "text"
) -> int:
    """Cancel all scenarios of a batch that have not ended.

    Args:
        reason: Kept with them and shown as the cause.
        by: Who asks for it.
    """
    with ApiClient(api_url(api)) as client:
        found = client.call("POST", f"{_path(batch_id)}/cancel", "batch_id", json=because(reason, by))
    show(found, _line(found), output)
    return Exit.OK


def _followed(client: ApiClient, batch_id: str, timeout_s: float | None) -> Json:
    """The batch when all of its scenarios have ended. Raises CommandError (TIMEOUT)."""
    started, told = time.monotonic(), ""
    while True:
        found = client.call("GET", _path(batch_id), "batch_id")
        if found["status"] == "finished":
            return found
        if timeout_s is not None and time.monotonic() - started > timeout_s:
            raise CommandError(f"{batch_id} is not finished after {timeout_s:g} s", Exit.TIMEOUT)
        if (line := _line(found)).plain != told:
            told = line.plain
            Console(stderr=True).print(line)
        time.sleep(EVERY_S)


def _opened(file: str, stack: ExitStack) -> BinaryIO:
    """Raises CommandError (USAGE)."""
    if file == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(file).open("rb"))
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", Exit.USAGE) from error


def _chunks(lines: BinaryIO) -> Iterator[bytes]:
    while chunk := lines.read(CHUNK_BYTES):
        yield chunk


def _path(batch_id: str) -> str:
    return f"/batches/{quote(batch_id, safe='')}"


def _accepted(answer: Json) -> RenderableType:
    head = Text(f"{answer['batch_id']}  {answer['accepted']} accepted, {answer['refused']} refused")
    refused = [one for one in answer["results"] if one.get("problem")]
    lines = [Text(f"line {one['line']}: {_why(one['problem'])}", style="red") for one in refused[:SHOWN]]
    if len(refused) > SHOWN:
        lines.append(Text(f"and {len(refused) - SHOWN} more", style="red"))
    return Group(head, *lines) if lines else head


def _why(problem: Json) -> str:
    where = ", ".join(error["pointer"] for error in problem["errors"] if error.get("pointer"))
    return f"{problem['code']}: {problem['detail']}" + (f" ({where})" if where else "")


def _line(found: Json) -> Text:
    text = Text(f"{found['batch_id']}  {found['status']}, {found['percent']:g} % of {found['total']}:")
    for name, count in found["counts"].items():
        if count:
            text.append(f" {count} {name}", STYLES.get(name, ""))
    return text
