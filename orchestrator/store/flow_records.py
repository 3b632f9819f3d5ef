"""Limits and pauses as records."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from workers_sdk.protocol.messages import loads


class TooSmallToShare(ValueError):
    """A limit is smaller than the number of partitions, which share it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` tasks per `per_ms`, evenly; up to `burst` of them at once after a rest."""

    count: int
    per_ms: int
    burst: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a managed service. None: no limit.

    Attributes:
        concurrency: tasks that are handed out and have not ended.
        rate: tasks that are handed out in a time.
        weights: share of a tenant in the service; 1 when it is not named.
    """

    concurrency: int | None = None
    rate: Rate | None = None
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """Why, who, and since when (ISO 8601) something is paused."""

    reason: str = ""
    by: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What holds a service back, and what waits for it now.

    Attributes:
        limits: None when nobody manages it; its tasks then go straight to its stream.
        paused: of the service itself, or of all services.
        waiting: tasks in lanes per tenant, of `MOST_TENANTS` at most; not those that wait for a limit of their key.
        out: tasks that were handed out under its limits and have not ended.
        queued: entries in its stream, with those that workers hold.
    """

    service: str
    limits: Limits | None
    paused: Pause | None
    waiting: dict[str, int]
    out: int
    queued: int


def share_of(limits: Limits, index: int, count: int) -> Limits:
    """What one of `count` partitions may use.

    Raises:
        TooSmallToShare: there are more partitions than `concurrency`.
    """
    if limits.concurrency is not None and limits.concurrency < count:
        raise TooSmallToShare(f"{count} partitions share it: it must be {count} or more")
    concurrency = limits.concurrency
    if concurrency is not None:
        concurrency = concurrency // count + (index < concurrency % count)
    rate = limits.rate
    if rate is not None:
        rate = Rate(rate.count, rate.per_ms * count, max(1, rate.burst // count))
    return replace(limits, concurrency=concurrency, rate=rate)


def facts_of(limits: Limits) -> dict[str, Any]:
    """As `set_flow.lua` takes them."""
    return {name: value for name, value in asdict(limits).items() if value}


def limits_of(text: bytes | None) -> Limits | None:
    """Limits of a whole service, as they were stored."""
    if text is None:
        return None
    whole = loads(text).get("whole", {})
    rate = Rate(**whole["rate"]) if "rate" in whole else None
    return Limits(whole.get("concurrency"), rate, whole.get("weights", {}))


def pause_of(text: bytes | None) -> Pause | None:
    """A pause, as it was stored."""
    return None if text is None else Pause(**loads(text))
