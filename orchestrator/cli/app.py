"""The commands, and how each of them ends."""

import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Final

import pydantic

try:
    import cyclopts
    from rich.console import Console
    from rich.text import Text
except ModuleNotFoundError as error:
    raise SystemExit(
        f"error: {error.name} is not installed; the commands need the server: pip install 'scenarist[server]'\n"
        "A worker runs without it: python -m workers_sdk MODULE"
    ) from error

from .exits import CommandError, Exit, TemplateProblems
from .program import command

# Named by text and imported when called: a client command need not wait for the whole server to be imported.
_COMMANDS: Final = {
    "Start": {
        "together:demo": "Start everything, make one video, show where it is, stop everything.",
        "together:up": "Start everything and keep it running until Ctrl-C.",
        "roles:serve": "Run the API.",
        "roles:engine": "Run one orchestrator; any number may run, on any machines.",
        "roles:worker": "Run one worker.",
    },
    "Ask the API": {
        "remote:submit": "Start a scenario by the name of its template.",
        "batch:batch": "Start a scenario for each line of a file.",
        "remote:scenario": "Show one scenario with its tasks.",
        "remote:scenarios": "List scenarios, newest first.",
        "remote:task": "Show all that is known of one task.",
        "why:why": "Say why a task does not run or a scenario is not done, and of one that has ended, how.",
        "states:event": "Send an event to a scenario with states.",
        "states:history": "Show how a scenario came from state to state.",
        "remote:cancel": "Cancel a scenario, or a task with all that depends on it.",
        "flow:pause": "Let no task of a scenario, a service or all services begin; what runs goes on.",
        "flow:resume": "Hand out what a pause held back.",
        "revival:retry": "Run again what failed of a scenario; what succeeded stays.",
        "revival:rerun": "Run a scenario anew from one of its tasks on, as a new one.",
    },
    "Templates": {
        "local:plan": "Render and check a template (of this machine, or of --api) and draw its graph.",
        "local:templates": "List the templates (of this machine, or of --api) and their variables.",
        "local:schema": "Print the JSON Schema of the template format, for editors.",
    },
    "Look after Redis": {
        "fsck:fsck": "Check that all that follows from the tasks is as it should be, and repair it.",
    },
}
# Commands of two words: first word -> what they are about, and the second words.
_FAMILIES: Final = {
    "batches": (
        "Scenarios that were started together.",
        {
            "batch:show_": "Show how far a batch is.",
            "batch:scenarios": "List the scenarios of a batch, by line.",
            "batch:cancel": "Cancel all scenarios of a batch that have not ended.",
        },
    ),
    "service": (
        "Limits of services, and what waits for them.",
        {
            "flow:list_": "List the services with their limits, pauses and what waits.",
            "flow:show": "Show the limits of a service and what waits for it.",
            "flow:limit": "Set the limits of a service; those that are not named are removed.",
            "flow:forget": "Remove the limits of a service.",
        },
    ),
    "dead": (
        "Tasks that failed for good: look, run again, purge.",
        {
            "dead_letters:list_": "List what went wrong, by kinds of errors.",
            "dead_letters:show_": "Show the tasks of a kind, or one of them with its attempts.",
            "dead_letters:redrive": "Run one of them again, all of a kind, or all.",
            "dead_letters:purge": "Take one off the list, all of a kind, or all; they stay failed.",
        },
    ),
    "schedule": (
        "Have scenarios started at their time.",
        {
            "schedules:add": "Have a scenario started by cron, at intervals, or once.",
            "schedules:list_": "List schedules, newest first.",
            "schedules:show": "Show a schedule, its next and its last fires.",
            "schedules:preview": "Show when a schedule would fire; nothing is stored.",
            "schedules:pause": "Let nothing fire until it is resumed.",
            "schedules:resume": "Go on with the next fire from now.",
            "schedules:fire": "Start its scenario now; the next fire stays as it is.",
            "schedules:remove": "Remove a schedule; scenarios that it started go on.",
        },
    ),
    "gate": (
        "What waits for people, and their decisions.",
        {
            "gate:list_": "List the open gates, those that wait longest first.",
            "gate:show_": "Show what is asked, the value as it stands, the votes and all that happened.",
            "gate:approve": "Approve the value as it stands, or another one.",
            "gate:reject": "Reject.",
            "gate:link": "Make a one-time link for a person.",
        },
    ),
    "webhook": (
        "Have others told when a scenario ends.",
        {
            "webhooks:add": "Register an endpoint; shows its secret, once.",
            "webhooks:list_": "List the endpoints.",
            "webhooks:show_": "Show what an endpoint is told of, and whether it takes it.",
            "webhooks:change": "Change, disable or enable an endpoint.",
            "webhooks:rotate": "Give an endpoint a new secret; for a while the old one signs too.",
            "webhooks:remove": "Remove an endpoint.",
            "webhooks:test": "Send a test message and say what became of it.",
            "webhooks:deliveries": "List what was sent to an endpoint.",
            "webhooks:delivery": "Show one message and its attempts.",
            "webhooks:redrive": "Send anew one delivery, or all that failed.",
        },
    ),
}
_EPILOGUE: Final = "Exit codes: 0 fine, 1 the scenario failed, 2 wrong usage, 3 nobody answers, 124 timeout."


def build() -> cyclopts.App:
    """The command line as an object."""
    app = cyclopts.App(
        name="scenarist",
        help="One request becomes a graph of tasks over Redis Streams.",
        help_epilogue=_EPILOGUE,
        version=_version,
        suppress_keyboard_interrupt=False,
    )
    for order, (title, commands) in enumerate(_COMMANDS.items()):
        group = cyclopts.Group(title, sort_key=order)
        for place, summary in commands.items():
            name = place.partition(":")[2]
            app.command(f"{__package__}.{place}", name=name, group=group, help=summary)
    group = cyclopts.Group("More of the API", sort_key=len(_COMMANDS))
    for family, (about, commands) in _FAMILIES.items():
        words = cyclopts.App(name=family, help=about, group=group)
        for place, summary in commands.items():
            name = place.partition(":")[2].rstrip("_")
            words.command(f"{__package__}.{place}", name=name, help=summary)
        app.command(words)
    return app


def _version() -> str:
    """Of the installed distribution; `0` in a tree that is not installed."""
    try:
        return importlib.metadata.version("scenarist")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def main(tokens: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    sys.exit(run(tokens))


def run(tokens: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    errors = Console(stderr=True)
    try:
        result = build()(
            tokens, exit_on_error=False, print_error=False, result_action="return_value", error_console=errors
        )
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except TemplateProblems as error:
        errors.print(Text(str(error)), soft_wrap=True)
        return error.code
    except CommandError as error:
        return _fail(errors, str(error), error.code)
    except cyclopts.CycloptsError as error:
        return _fail(errors, f"{error}\nsee: {command('--help')}", Exit.USAGE)
    except pydantic.ValidationError as error:
        return _fail(errors, _wrong_settings(error), Exit.USAGE)
    return int(result or 0)


def _fail(console: Console, message: str, code: Exit) -> Exit:
    console.print(Text("error: ", style="bold red") + Text(message), soft_wrap=True)
    return code


def _wrong_settings(error: pydantic.ValidationError) -> str:
    # The value is not shown: it may be a URL with a password in it.
    lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
    return "\n".join(["a setting is wrong", *lines])
