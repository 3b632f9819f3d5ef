"""From a data file of `goals.py` to the table of goals.

python -m tests.benchmarks.report results/<file>.json
"""

import json
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Json = Any


@dataclass(frozen=True)
class Figure:
    """What was reached, and whether that is what was wanted."""

    text: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.text} {'✓' if self.holds else '✗'}"


@dataclass(frozen=True)
class Goal:
    """One line of the table. `reached` reads the data of one server; KeyError: it was not measured."""

    number: str
    what: str
    wanted: str
    reached: Callable[[Json], Figure]


def rows_of(server: Json, workload: str, *, workers: int = 0, aof: bool = False) -> list[Json]:
    """Measurements of a workload, of the better number of workers when none is given."""
    found = [row for row in server["throughput"]["rows"] if (row["workload"], row["aof"]) == (workload, aof)]
    counts = [workers] if workers else sorted({row["workers"] for row in found})
    groups = [[row for row in found if row["workers"] == count] for count in counts]
    return max(groups, key=lambda group: median(group, "ratio"))


def median(rows: Iterable[Json], name: str) -> float:
    """Median of one figure."""
    return float(statistics.median(row[name] for row in rows))


def _ratio(workload: str, least: float) -> Callable[[Json], Figure]:
    def reached(server: Json) -> Figure:
        rows = rows_of(server, workload)
        ratio, rate, workers = median(rows, "ratio"), median(rows, "tasks_per_s"), rows[0]["workers"]
        low, high = min(row["ratio"] for row in rows), max(row["ratio"] for row in rows)
        text = f"{ratio:.2f} ({low:.2f} to {high:.2f}); {rate:,.0f}/s, {workers} worker{'s'[: workers - 1]}"
        return Figure(text, ratio >= least)

    return reached


def _redis_us(server: Json) -> Figure:
    us, alone = median(rows_of(server, "w2"), "redis_us_per_task"), server["scripts"]["total"]
    return Figure(f"{us:.0f} us under load; {alone:.0f} us driven step by step", us <= 45)


def _calls(server: Json) -> Figure:
    calls = median(rows_of(server, "w2"), "calls_per_task")
    return Figure(f"{calls:.3f}", calls <= 0.2)


def _hop(server: Json) -> Figure:
    [row] = rows_of(server, "w3")
    return Figure(
        f"{row['p50_ms']:.2f} / {row['p99_ms']:.2f} ms", row["p50_ms"] <= 0.5 and row["p99_ms"] <= 2
    )


def _latency(server: Json) -> Figure:
    [row] = rows_of(server, "w2lat")
    return Figure(f"{row['p50_ms']:.1f} ms (p99 {row['p99_ms']:.1f})", row["p50_ms"] <= 7)


def _post(server: Json) -> Figure:
    post = server["api"]["post"]
    return Figure(
        f"{post['p50_ms']:.2f} / {post['p99_ms']:.2f} ms", post["p50_ms"] <= 4 and post["p99_ms"] <= 12
    )


def _posts(server: Json) -> Figure:
    rate = server["api"]["post_at_once"]["per_s"]
    return Figure(f"{rate:,}/s", rate >= 400)


def _large(server: Json) -> Figure:
    large = server["api"]["large_new"]
    seconds, small = statistics.median(large["each_ms"]) / 1000, large["small"]["p99_ms"]
    return Figure(f"{seconds:.2f} s; others p99 {small:.0f} ms", seconds <= 1 and small < 50)


def _waiting_bytes(server: Json) -> Figure:
    memory = server["memory"]
    words = [
        f"{kind} {memory[kind]['growth']} (hash {memory[kind]['hash']})"
        for kind in ("waiting", "queued", "finished")
    ]
    return Figure("; ".join(words), memory["waiting"]["growth"] <= 600)


def _left(server: Json) -> Figure:
    left = server["memory"]["after_purge"]
    return Figure(f"{len(left['not_fixed'])} of {left['keys']}", not left["not_fixed"])


def _growth(cost: Json, base: Json) -> Figure:
    cpu, redis = cost["cpu_us"] / base["cpu_us"], cost["redis_us"] / base["redis_us"]
    rate = cost["tasks_per_s"] / base["tasks_per_s"]
    return Figure(f"CPU {cpu:.2f}, Redis {redis:.2f}; rate {rate:.2f}", max(cpu, redis) <= 1.2)


def _sizes(server: Json) -> Figure:
    costs = server["growth"]["sizes"]["costs"]
    return _growth(costs["100000"], costs["1000"])


def _beside(server: Json) -> Figure:
    waiting = server["growth"]["waiting"]
    return _growth(waiting["beside"], waiting["alone"])


def _longest(*workloads: str) -> Callable[[Json], Figure]:
    def reached(server: Json) -> Figure:
        calls: dict[str, float] = {}
        for workload in workloads:
            for name, us in server["longest"]["us"][workload].items():
                calls[name] = max(us, calls.get(name, 0))
        slowest = sorted(calls.items(), key=lambda call: -call[1])[:3]
        words = ", ".join(f"{name.removesuffix('.lua')} {us / 1000:.1f}" for name, us in slowest)
        return Figure(f"{words} ms", slowest[0][1] <= 5_000)

    return reached


def _idle(server: Json) -> Figure:
    cpu, calls = server["idle"]["cpu_percent"], server["idle"]["calls_per_s"]
    ours, redis = cpu["engine-0"] + cpu["worker-0"], cpu["redis"]
    # Three readers, each of which may wait for a second.
    text = f"{ours:.2f} % (Redis {redis:.2f} %), {sum(calls.values()):.1f} calls/s"
    return Figure(text, ours <= 1 and calls["xreadgroup"] <= 3.05)


def _aof(server: Json) -> Figure:
    losses = {
        name: 1
        - median(rows_of(server, name, workers=1, aof=True), "ratio")
        / median(rows_of(server, name, workers=1), "ratio")
        for name in ("w1", "w2")
    }
    text = ", ".join(f"{name.upper()} {100 * loss:.0f} %" for name, loss in losses.items())
    return Figure(text, max(losses.values()) <= 0.25)


def _partitions(server: Json) -> Figure:
    costs = server["partitions"]["costs"]
    two, four = (costs[count]["cpu_us"] / costs["1"]["cpu_us"] for count in ("2", "4"))
    return Figure(f"{two:.2f} and {four:.2f}", max(two, four) <= 1.15)


GOALS: Final = (
    Goal("P1", "W2 diamonds, of the reference loop", ">= 0.9", _ratio("w2", 0.9)),
    Goal("P2", "W1 flat, of the reference loop", ">= 1.0", _ratio("w1", 1.0)),
    Goal("P3", "Redis time per task of W2", "<= 45 us", _redis_us),
    Goal("P3", "calls from clients per task of W2", "<= 0.2", _calls),
    Goal("P4", "W3 chain, one hop at idle, p50 / p99", "<= 0.5 / 2 ms", _hop),
    Goal("P4", "W2 at idle, submit to success, p50", "<= 7 ms", _latency),
    Goal("P5", "W4 wide, of the reference loop", ">= 0.9", _ratio("w4", 0.9)),
    Goal("P6", "POST /generate, p50 / p99", "<= 4 / 12 ms", _post),
    Goal("P6", "POST /generate, one process", ">= 400/s", _posts),
    Goal("P6", "10,000 tasks, and others meanwhile", "<= 1 s, < 50 ms", _large),
    Goal("P7", "bytes of a waiting task", "<= 600", _waiting_bytes),
    Goal("P7", "keys after purge beyond the fixed ones", "0", _left),
    Goal("P8", "cost at 100,000 tasks to that at 1,000", "<= 1.2", _sizes),
    Goal("P8", "cost beside 1,000,000 waiting tasks", "<= 1.2", _beside),
    Goal("P9", "longest scripts, W1, W2, W4", "<= 5 ms", _longest("w1", "w2", "w4")),
    Goal("P9", "longest scripts, 100,000 tasks with purge", "<= 5 ms", _longest("large")),
    Goal("P10", "idle engine and worker", "<= 1 %", _idle),
    Goal("P11", "loss by AOF everysec", "<= 25 %", _aof),
    Goal("P12", "cost with 2 and 4 partitions", "<= 1.15", _partitions),
)  # fmt: skip


def _cell(goal: Goal, server: Json) -> str:
    try:
        return str(goal.reached(server))
    except (KeyError, ValueError, IndexError):
        return "not measured"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that can be read as it stands."""
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def name_of(server: Json) -> str:
    """Name and version of a server, as far as known."""
    return str(server.get("throughput", {}).get("server", server["choice"]))


def markdown(data: Json) -> str:
    """The table of goals, and what must stand beside it."""
    servers = data["servers"]
    rows = [
        [goal.number, goal.what, goal.wanted, *(_cell(goal, server) for server in servers)] for goal in GOALS
    ]
    return f"{table(['', 'goal', 'wanted', *map(name_of, servers)], rows)}\n\n{_settings(data)}\n{_failed(servers)}"


def _settings(data: Json) -> str:
    machine, references = (
        data["machine"],
        [
            row["reference_per_s"]
            for server in data["servers"]
            for row in server.get("throughput", {}).get("rows", ())
        ],
    )
    loop = f"; reference loop {min(references):,} to {max(references):,} items/s" if references else ""
    packages = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    return (
        f"{data['started_at']}, commit {data['commit']}, {data['minutes']} minutes. {machine['cpus']} cores, {machine['system']}, "
        f"load at the start {machine['load']}{loop}. {packages}. One engine, one worker (W1, W2, W4: the better of one and "
        "two), 400 handlers at once each; AOF off but for P11; medians of 3 interleaved runs (in brackets lowest to highest)."
    )


def _failed(servers: Sequence[Json]) -> str:
    lines = [
        f"- {name_of(server)}, {part}: {found['failed']}"
        for server in servers
        for part, found in server.items()
        if isinstance(found, dict) and "failed" in found
    ]
    return "\n".join(["\nNot measured:\n", *lines, ""]) if lines else ""


def main() -> None:
    """See the module."""
    print(markdown(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
