"""Children are started, watched and stopped; none survives."""

import signal
import sys
import threading
from pathlib import Path

from orchestrator.processes import start_child, stop_child, tail

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def wait_for(log: Path, text: str) -> None:
    for _ in range(2_000):
        if text in tail(log):
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{text!r} never came: {tail(log)!r}")


def test_a_child_that_listens_ends_by_sigterm(tmp_path: Path) -> None:
    child = start_child([sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log")
    assert stop_child(child) == -signal.SIGTERM


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "log"
    child = start_child([sys.executable, "-c", STUBBORN], log=log)
    wait_for(log, "up")
    assert stop_child(child, grace_s=0.1) == -signal.SIGKILL


def test_stopping_an_ended_child_gives_its_code(tmp_path: Path) -> None:
    child = start_child([sys.executable, "-c", "raise SystemExit(7)"], log=tmp_path / "log")
    child.wait()
    assert stop_child(child) == 7


def test_a_child_of_another_thread_is_refused(tmp_path: Path) -> None:
    raised: list[BaseException] = []

    def start() -> None:
        try:
            start_child(["true"], log=tmp_path / "log")
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"{n}\n" for n in range(100)))
    assert tail(tmp_path / "log", 2) == "98\n99"
    assert tail(tmp_path / "none") == ""
