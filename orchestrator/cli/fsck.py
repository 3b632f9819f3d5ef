"""Checks the state in Redis, and repairs it."""

import asyncio
import socket
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from orchestrator.api.policy import policy_of
from orchestrator.config import Settings
from orchestrator.store.fsck import Fsck
from orchestrator.store.fsck_records import Report
from orchestrator.store.last_check import note_check
from orchestrator.store.server import ServerUnfit
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import is_id
from workers_sdk.protocol.link import RedisLink, Refused, Unavailable

from .exits import CommandError, Exit
from .options import Output, RedisUrl, server_settings
from .output import show

Json = Any


def fsck(
    *,
    repair: Annotated[bool, Parameter(negative=(), help="Mend what is found.")] = False,
    scenario: Annotated[str, Parameter(help="Id of the only scenario to look at; its tasks too.")] = "",
    redis: RedisUrl = None,
    output: Output = "text",
) -> int:
    """Check in Redis that all that follows from the tasks is as it should be; the system may be at work meanwhile.

    Ends with code 1 when something is left that was found and not repaired.
    """
    if scenario and not is_id(scenario):
        raise CommandError(f"{scenario} is no id of a scenario", Exit.USAGE)
    settings = server_settings(redis_url=redis)
    try:
        report = asyncio.run(_checked(settings, scenario, repair=repair))
    except (ServerUnfit, Unavailable, Refused) as error:
        raise CommandError(f"Redis cannot be used: {error}", Exit.UNREACHABLE) from error
    show(_facts(report), _text(report), output)
    return Exit.FAILED if report.left else Exit.OK


async def _checked(settings: Settings, scenario_id: str, *, repair: bool) -> Report:
    link = RedisLink(settings.redis_url, name="scenarist-fsck")
    try:
        store = await Store.open(
            link, partitions=settings.partitions, policy=policy_of(settings), unsafe_volatile=True
        )
        if scenario_id:
            return await Fsck(store).scenario(scenario_id, repair=repair)
        report = await Fsck(store).run(repair=repair)
        await note_check(store, report, socket.gethostname(), repair=repair)
        return report
    finally:
        await link.close()


def _facts(report: Report) -> Json:
    return {
        "scenarios": report.scenarios,
        "tasks": report.tasks,
        "keys": report.keys,
        "drift": dict(report.drift),
        "repaired": dict(+report.repaired),
        "left": report.left,
        "undecided": report.undecided,
        "changing": report.changing,
        "findings": [asdict(finding) for finding in report.findings],
    }


def _text(report: Report) -> Text:
    text = Text(f"looked at {report.scenarios} scenarios, {report.tasks} tasks, {report.keys} keys")
    for kind, count in sorted(report.drift.items()):
        text.append(f"\n{count} x ").append(kind, "bold")
        repaired = report.repaired[kind]
        text.append(", all repaired" if repaired == count else f", {repaired} repaired" if repaired else "")
        for finding in report.findings:
            if finding.kind == kind:
                text.append(f"\n  {finding.subject}  {finding.message}")
    if report.undecided:
        text.append(f"\n{report.undecided} things cannot be told apart from work under way: look again later")
    if report.changing:
        text.append(f"\n{report.changing} scenarios changed while their tasks were counted: look again later")
    if not report.drift:
        return text.append("\nnothing is wrong", "green")
    if report.left:
        return text.append(f"\n{report.left} left", "red")
    return text
