"""What turns measurements into figures; nothing here measures."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.benchmarks.peers.order import disorder
from tests.benchmarks.peers.plan import PEERS, WORKLOADS
from tests.benchmarks.peers.plot import svg
from tests.benchmarks.peers.table import markdown, results

HERE = Path(__file__).parent


def ran(marks: str) -> bytes:
    return b"".join(mark.encode() + b"\x07" for mark in marks)


def row(peer: str, rate: int, processes: int = 1, workload: str = "w1") -> dict[str, Any]:
    return {
        "peer": peer,
        "workload": workload,
        "processes": processes,
        "count": 1000,
        "round": 1,
        "version": f"{peer} 1.0",
        "settings": "as documented",
        "tasks": 1000,
        "seconds": 1000 / rate,
        "tasks_per_s": rate,
        "reference_per_s": 10_000,
        "ratio": rate / 10_000,
    }


def data(*rows: dict[str, Any]) -> dict[str, Any]:
    facts = {
        "quick": False,
        "rounds": 3,
        "started_at": "2026-01-01",
        "server": "Redis 7.0",
        "machine": "2 cores",
    }
    return facts | {"rows": list(rows)}


def test_bodies_in_the_order_of_the_shape_are_accepted() -> None:
    diamond = "t" + "v" + "p" * 10 + "s" * 10 + "f"
    assert disorder(ran("xx" + diamond + "t" + diamond + diamond[1:]), "w2", 3) is None
    assert disorder(ran("<" + "m" * 5 + ">"), "w4", 5) is None
    assert disorder(ran("x" + "".join(chr(65 + i % 20) for i in range(45))), "w3", 45) is None


def test_a_body_that_ran_before_what_it_waits_for_is_told() -> None:
    assert "'s'" in (disorder(ran("t" + "p" * 3 + "s" * 4), "w2", 1) or "")
    assert "'f'" in (disorder(ran("tv" + "ps" * 9 + "f"), "w2", 1) or "")
    assert "'>'" in (disorder(ran("<mm>"), "w4", 3) or "")
    assert "link 1" in (disorder(ran("xAC"), "w3", 3) or "")


def test_a_peer_stands_with_the_median_of_its_better_number_of_processes() -> None:
    rows = [row("huey", 3000, 2), row("huey", 5000, 1), row("huey", 3300, 2), row("huey", 3900, 2)]
    (found,) = results(data(*rows))
    assert (found.processes, found.runs, found.tasks_per_s) == (2, 3, 3300)


def test_the_table_compares_with_the_ceiling_and_with_ours() -> None:
    rows = [row("ceiling", 40_000), row("scenarist", 10_000), row("celery", 500)]
    assert "| celery | 1 | 1,000 | 500 | 0.050 | 0.013 | 20 x |" in markdown(data(*rows))


def test_the_table_says_who_failed_and_who_cannot() -> None:
    missing: list[dict[str, Any]] = [
        {"peer": "arq", "workload": "w2", "processes": 1, "cannot": "no dependencies"},
        {"peer": "rq", "workload": "w1", "processes": 1, "failed": "not done after 60 s"},
        {"peer": "dask", "workload": "all", "failed": "pip: no such version"},
        {"peer": "huey", "workload": "w1", "processes": 2, "failed": "once"},
    ]
    text = markdown(data(*missing, row("huey", 3000)))
    assert "- arq, w2: cannot express this: no dependencies" in text
    assert "- rq, w1: failed: not done after 60 s" in text
    assert "- dask, all: failed: pip: no such version" in text
    assert "once" not in text


def test_the_picture_shows_every_peer_of_every_workload() -> None:
    rows = [row(peer, 1000, workload=workload) for peer in ("scenarist", "celery") for workload in WORKLOADS]
    texts = [
        text.text for text in ElementTree.fromstring(svg(data(*rows))).iter() if text.tag.endswith("text")
    ]
    assert texts.count("celery") == len(WORKLOADS)


def test_every_peer_has_an_adapter_and_pins_what_it_installs() -> None:
    for peer in PEERS.values():
        if peer.home == "python":
            pins = [
                line
                for line in (HERE / peer.name / "requirements.txt").read_text().splitlines()
                if line[0] != "#"
            ]
            assert all(re.fullmatch(r"[a-z-]+(\[[a-z]+\])?==[0-9.]+", line) for line in pins), peer.name
            assert (HERE / peer.name / "adapter.py").is_file()
