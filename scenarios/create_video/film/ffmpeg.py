"""The ffmpeg program: found, run with progress, and stopped when the work is not wanted any more."""

import importlib
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from ..errors import ProviderError

_ALWAYS = ("-hide_banner", "-nostdin", "-y", "-loglevel", "error", "-nostats", "-progress", "pipe:1")
_POLL_S = 0.2
_TERMINATE_S = 3.0
# The small program becomes ffmpeg after it has asked Linux to end it with the thread that started it, which waits for
# it in `run_ffmpeg`. A function between fork and exec could do the same, but may hang in a process with threads.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the worker is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")


class Stopped(Exception):
    """ffmpeg was stopped because `is_cancelled` said so."""


def find_ffmpeg() -> str:
    """Path of the ffmpeg on PATH, else of the one in the `imageio-ffmpeg` package. Raises ProviderError without any."""
    on_path = shutil.which("ffmpeg")
    if on_path:
        return on_path
    if importlib.util.find_spec("imageio_ffmpeg"):
        package: Any = importlib.import_module("imageio_ffmpeg")
        try:
            return str(package.get_ffmpeg_exe())
        except RuntimeError:
            pass
    raise ProviderError(
        "not_installed",
        "no ffmpeg: install the extra `video` (package imageio-ffmpeg) or put the program ffmpeg on PATH",
    )


def run_ffmpeg(
    arguments: Sequence[str],
    folder: Path,
    *,
    on_time: Callable[[float], None] = lambda seconds: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Run ffmpeg in a folder; `on_time` hears how many seconds of the output are written.

    Raises Stopped within about a second of `is_cancelled()` becoming true, and ProviderError with ffmpeg's own words
    when it fails. On Linux ffmpeg ends with this process, also when that is killed.
    """
    command = [*_tied(find_ffmpeg()), *_ALWAYS, *arguments]
    with tempfile.TemporaryFile() as errors:
        try:
            # In a session of its own, so that Ctrl-C in a terminal lets a draining worker finish its video.
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise ProviderError("not_installed", f"ffmpeg cannot be started: {error}") from error
        try:
            _follow(process, on_time, is_cancelled)
        finally:
            _stop(process)
        errors.seek(0)
        if process.returncode != 0:
            raise ProviderError(
                "render_failed", f"ffmpeg failed: {errors.read().decode(errors='replace').strip()[-800:]}"
            )


def _tied(program: str) -> list[str]:
    """A command that runs the program for as long as this process lives, where the system can do that."""
    if sys.platform != "linux" or not sys.executable:
        return [program]
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), program]


def duration_of(file: Path) -> float:
    """Seconds of a sound or video file, as ffmpeg reads them. Raises ProviderError when it cannot."""
    done = subprocess.run(
        [find_ffmpeg(), "-hide_banner", "-nostdin", "-i", str(file)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    match = _DURATION.search(done.stderr.decode(errors="replace"))
    if match is None:
        raise ProviderError("bad_input", f"not a sound or video file: {file.name}")
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _follow(
    process: "subprocess.Popen[bytes]", on_time: Callable[[float], None], is_cancelled: Callable[[], bool]
) -> None:
    """Read progress until the end. The pipe is read by a thread, so that a silent ffmpeg can be stopped as well."""
    lines: queue.Queue[bytes | None] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True).start()
    while True:
        if is_cancelled():
            raise Stopped
        try:
            line = lines.get(timeout=_POLL_S)
        except queue.Empty:
            continue
        if line is None:
            process.wait()
            return
        name, _, value = line.strip().partition(b"=")
        if name == b"out_time_us" and value.lstrip(b"-").isdigit():
            on_time(max(0.0, int(value) / 1_000_000))


def _read_lines(pipe: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put(None)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_TERMINATE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
