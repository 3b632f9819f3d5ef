"""Everything on one machine: one video (`demo`), or a system that keeps running (`up`)."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn
from urllib.parse import unquote, urlsplit

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from orchestrator.config import Settings
from orchestrator.packs import Pack
from orchestrator.processes import tail

from .changes import Changes
from .client import ApiClient
from .exits import CommandError, Exit
from .fleet import HOME, Running, Say, ends_on_signals, everything, wait_until_up
from .follow import follow
from .options import Description, Port, RedisUrl, Slides, Timeout, Variables, packs_here, server_settings
from .planning import check
from .preflight import VIDEO, look
from .program import command
from .request import body_of
from .view import age_s, labels, reason_of

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
    settings = server_settings(port=port, redis_url=redis)
    body = body_of(SCENARIO, description, slides, var)
    check(body, settings)
    look(HOME, VIDEO)
    with ends_on_signals(), everything(settings, [_pack(PACK)], say) as running:
        say(f"running: API {running.api_url}, Redis {_place(running.redis_url)}")
        with running.watched(), ApiClient(running.api_url) as client:
            accepted = client.generate(body)
            for warning in accepted["warnings"]:
                say(f"warning: {warning['message']}")
            found = follow(client, accepted["scenario_id"], console, timeout_s=timeout, check=running.check)
        if found["status"] != "success":
            raise CommandError(_why(found, running))
    _report(found, console)
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
    settings = server_settings(port=port, redis_url=redis)
    look(HOME)
    try:
        with ends_on_signals():
            _keep_up(settings, pack, reload, console)
    except SystemExit:
        return Exit.OK  # to be stopped is how it is meant to end


def _keep_up(settings: Settings, names: Sequence[str], reload: bool, console: Console) -> NoReturn:
    changes = Changes(settings.templates)
    packs = _packs(names)
    with everything(settings, packs, _say(console)) as running:
        _welcome(console, running, packs)
        if reload:
            _keep_reloading(running, changes, names, _say(console))
        while True:
            running.check()
            time.sleep(EVERY_S)


def _keep_reloading(running: Running, changes: Changes, names: Sequence[str], say: Say) -> NoReturn:
    told = ""
    while True:
        running.check_server()
        changed = changes.look()
        try:
            if changed:
                told = ""
                _reload(running, changed, names, say)
            running.fleet.check()
        except CommandError as error:
            if str(error) != told:
                say(f"{error}\nwaiting for a change")
            told = str(error)
        time.sleep(EVERY_S)


def _reload(running: Running, changed: str, names: Sequence[str], say: Say) -> None:
    """Start all again, with the packs as they are now. Raises CommandError when that does not work."""
    say(f"{changed} changed, starting again")
    running.fleet.stop()
    packs = _packs(names)
    running.fleet.start_all(packs)
    wait_until_up(running)
    say(f"running again: {_workers(packs)}")


def _packs(names: Sequence[str]) -> list[Pack]:
    return [_pack(name) for name in names] or packs_here()


def _workers(packs: Sequence[Pack]) -> str:
    return ", ".join(f"{pack.name}/{name}" for pack in packs for name in pack.workers)


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
    lines = {
        "API": f"{running.api_url}  (try {running.api_url}/openapi.json)",
        "Redis": _place(running.redis_url),
        "workers": _workers(packs),
        "logs": str(running.fleet.logs),
        "try": command("submit", SCENARIO, "--slides", "3", "--watch", "--api", running.api_url),
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


def _report(found: Any, console: Console) -> None:
    """To stdout: the file, alone on its line and ready to be copied, and the time. To `console`: how to get it by HTTP."""
    out = Console()
    ref = found["result_ref"] or ""
    parts = urlsplit(ref)
    path = str(Path(unquote(parts.path))) if parts.scheme == "file" else ref
    out.print(Text(path, style="bold"), soft_wrap=True)
    out.print(Text(f"{found['total']} tasks in {age_s(found):.1f} s"), soft_wrap=True)
    task = next((task for task in found["tasks"] if task["result_ref"] == ref), None)
    if task:
        hint = f"`{command('up')}` serves it at {task['links']['result']}"
        console.print(Text(hint, style="dim"), soft_wrap=True)
