"""Options that several commands share."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from orchestrator.config import Settings
from orchestrator.packs import Pack, PackError, discover
from workers_sdk.protocol.link import RedisLink

from .exits import CommandError, Exit

Api = Annotated[
    str | None,
    Parameter(env_var="SCENARIST_API", help="Address of the API; by default the local one of HOST, PORT."),
]
RedisUrl = Annotated[
    str | None, Parameter(name="--redis", help="redis://, rediss:// or unix:// (or REDIS_URL).")
]
Host = Annotated[str | None, Parameter(help="Address to listen on (or HOST).")]
Port = Annotated[int | None, Parameter(help="Port to listen on (or PORT).")]
Output = Annotated[
    Literal["text", "json"], Parameter(name=["--output", "-o"], help="For people or for programs.")
]
Description = Annotated[str, Parameter(help="What the scenario is about; empty: what its template says.")]
Slides = Annotated[int | None, Parameter(help="How many slides.")]
Variables = Annotated[
    tuple[str, ...],
    Parameter(
        name="--var", negative=(), help="NAME=VALUE of a variable; JSON where it is JSON. May be repeated."
    ),
]
Tenant = Annotated[str | None, Parameter(help="Whose it is; tenants share the services fairly.")]
Priority = Annotated[
    int | None, Parameter(help="0 to 4 of tasks that have none of their own; 0 goes first, 2 is usual.")
]
Submitter = Annotated[
    str | None, Parameter(help="Who starts it; gates may keep that person from deciding them.")
]
Durability = Annotated[
    str | None, Parameter(help="memory, fsync or replicated(n): what it is to survive before the answer.")
]
Prompt = Annotated[str | None, Parameter(help="Another prompt for the task.")]
Params = Annotated[
    tuple[str, ...],
    Parameter(
        name="--param",
        negative=(),
        help="NAME=VALUE of a member of `params` to set; null removes it. May be repeated.",
    ),
]
Fields = Annotated[
    tuple[str, ...],
    Parameter(name="--field", negative=(), help="NAME=VALUE of any other field to set. May be repeated."),
]
Timeout = Annotated[float | None, Parameter(help="Seconds to wait before giving up.")]


def settings_of(**given: Any) -> Settings:
    """Settings of the environment, except what was given on the command line."""
    return Settings(**{name: value for name, value in given.items() if value is not None})


def server_settings(**given: Any) -> Settings:
    """The same for a command that needs Redis. Raises CommandError (USAGE) when its address cannot be read."""
    settings = settings_of(**given)
    try:
        RedisLink(settings.redis_url)  # which connects only when it is used
    except ValueError as error:
        raise CommandError(f"REDIS_URL: {error}", Exit.USAGE) from None
    return settings


def api_url(api: str | None) -> str:
    """Address of the API to talk to."""
    if api:
        return api
    settings = settings_of()
    return f"http://{settings.host}:{settings.port}"


def packs_here() -> list[Pack]:
    """All packs. Raises CommandError when one cannot be read."""
    try:
        return discover()
    except PackError as error:
        raise CommandError(str(error), Exit.USAGE) from error
