"""Commands about limits and pauses."""

from typing import Annotated, Any, Final
from urllib.parse import quote

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from .client import ApiClient
from .exits import CommandError, Exit
from .options import Api, Output, api_url
from .output import show as show_result
from .request import because

Json = Any
Service = Annotated[str, Parameter(help="A service, instead of a scenario.")]
Everything = Annotated[
    bool, Parameter(name="--all", negative=(), help="All services, instead of a scenario.")
]


def pause(
    scenario_id: str = "",
    /,
    *,
    service: Service = "",
    everything: Everything = False,
    reason: str = "",
    by: str = "",
    api: Api = None,
    output: Output = "text",
) -> int:
    """Let no task of a scenario, a service or all services begin; what runs goes on.

    Args:
        reason: Why; kept with it.
        by: Who asks for it.
    """
    path = _subject(scenario_id, service, everything=everything)
    with ApiClient(api_url(api)) as client:
        found = client.call("POST", f"{path}/pause", "paused", json=because(reason, by))
    show_result(found, Text(f"{path.rpartition('/')[2] or 'all services'}  paused"), output)
    return Exit.OK


def resume(
    scenario_id: str = "",
    /,
    *,
    service: Service = "",
    everything: Everything = False,
    api: Api = None,
    output: Output = "text",
) -> int:
    """Hand out what a pause held back."""
    path = _subject(scenario_id, service, everything=everything)
    with ApiClient(api_url(api)) as client:
        found = client.call("POST", f"{path}/resume", "paused")
    still = found["paused"]
    text = f"still paused: {still['reason']}" if still else "resumed"
    show_result(found, Text(f"{path.rpartition('/')[2] or 'all services'}  {text}"), output)
    return Exit.OK


def list_(*, api: Api = None, output: Output = "text") -> int:
    """List the services with their limits, pauses and what waits."""
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", "/services", "items")
    table = Table("service", "limits", "waiting", "out", "queued", "paused", box=None, pad_edge=False)
    for one in found["items"]:
        paused = one["paused"]["reason"] if one["paused"] else ""
        waiting = str(sum(one["waiting"].values()))
        table.add_row(
            one["service"], _limits(one["limits"]), waiting, str(one["out"]), str(one["queued"]), paused
        )
    show_result(found, table, output)
    return Exit.OK


def show(service: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Show the limits of a service and what waits for it."""
    with ApiClient(api_url(api)) as client:
        found = client.call("GET", _service(service), "service")
    return _shown(found, output)


def limit(
    service: str,
    /,
    *,
    concurrency: Annotated[
        int | None, Parameter(help="Tasks that are handed out and have not ended.")
    ] = None,
    rate: Annotated[str, Parameter(help="Tasks in a time: 10/s, 100/min, 5/30s, 60/m burst 5.")] = "",
    burst: Annotated[
        int | None, Parameter(help="With --rate: so many at once after a rest; 1 by default.")
    ] = None,
    weight: Annotated[
        tuple[str, ...], Parameter(negative=(), help="TENANT=SHARE, 1 when not named. May be repeated.")
    ] = (),
    api: Api = None,
    output: Output = "text",
) -> int:
    """Set the limits of a service; those that are not named are removed."""
    if concurrency is None and not rate and not weight:
        raise CommandError("name one or more of: --concurrency, --rate, --weight", Exit.USAGE)
    if burst is not None and not rate:
        raise CommandError("--burst goes with --rate", Exit.USAGE)
    body: dict[str, Json] = {"weights": dict(_weight(text) for text in weight)}
    if concurrency is not None:
        body["concurrency"] = concurrency
    if rate:
        body["rate"] = rate if burst is None else f"{rate} burst {burst}"
    with ApiClient(api_url(api)) as client:
        found = client.call("PUT", _service(service), "service", json=body)
    return _shown(found, output)


def forget(service: str, /, *, api: Api = None, output: Output = "text") -> int:
    """Remove the limits of a service."""
    with ApiClient(api_url(api)) as client:
        found = client.call("DELETE", _service(service), "service")
    return _shown(found, output)


_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def _rate(rate: Json) -> str:
    """As it is written on the command line."""
    unit, ms = next((unit, ms) for unit, ms in _UNITS if rate["per_ms"] % ms == 0)
    times = rate["per_ms"] // ms
    text = f"{rate['count']}/{times if times > 1 else ''}{unit}"
    return f"{text} burst {rate['burst']}" if rate["burst"] > 1 else text


def _weight(text: str) -> tuple[str, float]:
    tenant, _, share = text.rpartition("=")
    try:
        return tenant, float(share)
    except ValueError:
        raise CommandError(f"--weight {text}: write TENANT=SHARE", Exit.USAGE) from None


def _subject(scenario_id: str, service: str, *, everything: bool) -> str:
    """Path of what is to be paused."""
    if bool(scenario_id) + bool(service) + everything != 1:
        raise CommandError("name one of: a scenario id, --service NAME, --all", Exit.USAGE)
    if everything:
        return ""
    return _service(service) if service else f"/scenarios/{quote(scenario_id, safe='')}"


def _service(name: str) -> str:
    return f"/services/{quote(name, safe='')}"


def _limits(limits: Json) -> str:
    """Limits in a few words."""
    if limits is None:
        return ""
    rate = limits["rate"]
    words = [f"{limits['concurrency']} at once"] if limits["concurrency"] else []
    words += [_rate(rate)] if rate else []
    words += [f"{tenant} {share:g}x" for tenant, share in limits["weights"].items()]
    return ", ".join(words) or "in turn"


def _shown(found: Json, output: str) -> int:
    waiting = ", ".join(f"{tenant} {n}" for tenant, n in found["waiting"].items()) or "nothing"
    lines = [
        f"{found['service']}  {_limits(found['limits']) or 'no limits'}",
        f"  {found['out']} out, {found['queued']} queued; waiting: {waiting}",
    ]
    if found["paused"]:
        lines.append(f"  paused since {found['paused']['at']}: {found['paused']['reason']}")
    show_result(found, Text("\n".join(lines)), output)
    return Exit.OK
