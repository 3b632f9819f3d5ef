"""Everything on one machine: one video (`demo`), or a system that keeps running (`up`)."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from orchestrator.packs import Pack
from orchestrator.processes import tail

from .changes import Changes
from .client import ApiClient
from .exits import CommandError, Exit
from .fleet import HOME, Running, Say, ends_on_signals, everything
from .follow import follow
from .options import Description, Port, RedisUrl, Slides, Timeout, Variables, packs_here, settings_of
from .preflight import VIDEO, look
from .request import body_of
from .view import labels, reason_of

PACK: Final = "create_video"
SCENARIO: Final = "CreateVideo"
EVERY_S: Final = 0.5


def demo(
    *,
    description: Description = "",
    slides: Slides = 3,
    var: Variables = (),
    port: Port = None,
    redis: RedisUrl = None,
    timeout: Timeout = None,
) -> int:
    """Start everything, make one video, show where it is, stop everything."""
    console = Console(stderr=True)
    say = _say(console)
    settings = settings_of(port=port, redis_url=redis)
    look(HOME, VIDEO)
    started = time.monotonic()
    with ends_on_signals(), everything(settings, [_pack(PACK)], say) as running:
        say(f"running: API {running.api_url}, Redis {_place(running.redis_url)}")
        with ApiClient(running.api_url) as client:
            accepted = client.generate(body_of(SCENARIO, description, slides, var))
            found = follow(
                client, accepted["scenario_id"], console, timeout_s=timeout, check=running.fleet.check
            )
        if found["status"] != "success":
            raise CommandError(_why(found, running))
    _report(found, time.monotonic() - started)
    return Exit.OK


def up(
    *,
    pack: Annotated[tuple[str, ...], Parameter(negative=(), help="Only this pack; may be repeated.")] = (),
    reload: Annotated[bool, Parameter(negative=(), help="Restart when a source file changes.")] = False,
    port: Port = None,
    redis: RedisUrl = None,
) -> int:
    """Start everything and keep it running until Ctrl-C."""
    console = Console(stderr=True)
    settings = settings_of(port=port, redis_url=redis)
    look(HOME)
    packs = [_pack(name) for name in pack] or packs_here()
    with ends_on_signals(), everything(settings, packs, _say(console)) as running:
        _welcome(console, running, packs)
        if reload:
            _keep_reloading(running, _say(console))
        while True:
            running.fleet.check()
            time.sleep(EVERY_S)


def _keep_reloading(running: Running, say: Say) -> None:
    changes = Changes()
    told = ""
    while True:
        time.sleep(EVERY_S)
        if changed := changes.look():
            say(f"{changed} changed, starting again")
            running.fleet.restart()
            told = ""
            continue
        try:
            running.fleet.check()
        except CommandError as error:
            if not told:
                say(f"{error}\nwaiting for a change")
            told = str(error)


def _pack(name: str) -> Pack:
    packs = {pack.name: pack for pack in packs_here()}
    if name not in packs:
        raise CommandError(f"no pack {name}; there are: {', '.join(packs) or 'none'}", Exit.USAGE)
    return packs[name]


def _say(console: Console) -> Say:
    return lambda text: console.print(Text(text, style="dim"), soft_wrap=True)


def _place(redis_url: str) -> str:
    """A Redis URL without its password."""
    parts = urlsplit(redis_url)
    return unquote(parts.path) if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


def _welcome(console: Console, running: Running, packs: Sequence[Pack]) -> None:
    workers = [f"{pack.name}/{name}" for pack in packs for name in pack.workers]
    lines = {
        "API": f"{running.api_url}  (try {running.api_url}/openapi.json)",
        "Redis": _place(running.redis_url),
        "workers": ", ".join(workers),
        "logs": str(running.fleet.logs),
        "try": f"scenarist submit {SCENARIO} --slides 3 --watch --api {running.api_url}",
    }
    for name, value in lines.items():
        console.print(Text.assemble((f"{name:8}", "dim"), value), soft_wrap=True)


def _why(found: Any, running: Running) -> str:
    """Why a scenario failed: its failed tasks, and the end of the log that knows more."""
    name = labels(found["tasks"])
    failed = [task for task in found["tasks"] if task["status"] == "failed"]
    lines = [f"{found['name']} {found['status']}"]
    lines += [f"  {name[task['id']]}: {reason_of(task['error'])}" for task in failed]
    logs = {running.fleet.log_about(task["id"]) for task in failed} - {None}
    lines += [f"the end of {log}:\n{tail(log)}" for log in logs if log]
    return "\n".join(lines)


def _report(found: Any, seconds: float) -> None:
    """The file, and how to reach it through the API. The path stands alone on its line, ready to be copied."""
    console = Console()
    ref = found["result_ref"] or ""
    parts = urlsplit(ref)
    console.print(
        Text(str(Path(unquote(parts.path))) if parts.scheme == "file" else ref, style="bold"), soft_wrap=True
    )
    task = next((task for task in found["tasks"] if task["result_ref"] == ref), None)
    where = f"; `scenarist up` serves it at {task['links']['result']}" if task else ""
    console.print(Text(f"{found['total']} tasks in {seconds:.1f} s{where}", style="dim"), soft_wrap=True)
