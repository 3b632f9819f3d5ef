"""The one command: a film that can be seen and heard, and nothing left running, however it ends."""

import asyncio
import re
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import imageio_ffmpeg
import pytest
import pytest_asyncio

from tests.support.fleet import clean_environment, processes_in
from tests.support.wait import wait_until

FFMPEG = shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()
SMALL = ("--var", "VIDEO_RESOLUTION=320x180")
FAST = {"SCENARIST_VIDEO_FPS": "10", "SCENARIST_VIDEO_PRESET": "ultrafast"}
TEXT = "Кошки спят до шестнадцати часов в сутки. Усы помогают им в темноте."

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts processes by /proc")


async def start(folder: Path, *arguments: str) -> Process:
    command = (sys.executable, "-m", "orchestrator", *arguments)
    environment = clean_environment(PYTHONPATH=":".join(path for path in sys.path if path), **FAST)
    return await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=PIPE, stderr=PIPE, preexec_fn=_ignore_ctrl_c
    )


def _ignore_ctrl_c() -> None:
    """As a shell does behind `&` in a script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


async def heard(process: Process, text: str) -> str:
    """The first line on stderr that has `text`."""
    assert process.stderr is not None
    said = ""
    while line := (await process.stderr.readline()).decode():
        if text in line:
            return line
        said += line
    raise AssertionError(f"{text!r} was never said: {said}")


async def ended(process: Process) -> int | None:
    if process.returncode is None:
        process.kill()
    await process.communicate()
    return process.returncode


@pytest_asyncio.fixture
async def started(tmp_path: Path) -> AsyncIterator[Process]:
    """A demo whose scenario was accepted a moment ago."""
    process = await start(tmp_path, "demo", *SMALL)
    await heard(process, "processing")
    yield process
    await ended(process)


def ffmpeg(*arguments: str) -> str:
    """What ffmpeg says about a file."""
    done = subprocess.run([FFMPEG, "-hide_banner", *arguments], capture_output=True, text=True, check=False)
    return done.stderr


def seconds_in(said: str) -> float:
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    assert found, said
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


async def test_demo_makes_a_film_that_can_be_seen_and_heard(tmp_path: Path) -> None:
    film = await made(tmp_path, "--description", TEXT, "--slides", "3")
    assert film.is_absolute()
    assert film.suffix == ".mp4"

    said = await asyncio.to_thread(ffmpeg, "-i", str(film))
    assert re.search(r"Video: h264.* 320x180", said), said
    assert "Audio: aac" in said
    levels = await asyncio.to_thread(ffmpeg, "-i", str(film), "-af", "volumedetect", "-vn", "-f", "null", "-")
    mean = re.search(r"mean_volume: (-?[\d.]+) dB", levels)
    assert mean, levels
    assert float(mean[1]) > -35

    files = {path.name: path for path in film.parents[2].rglob("*.*")}
    narration = seconds_in(await asyncio.to_thread(ffmpeg, "-i", str(files["voice.wav"])))
    assert seconds_in(said) == pytest.approx(narration, rel=0.1)
    slides = {path.read_bytes() for name, path in files.items() if name.startswith("slide-")}
    assert len(slides) == 3, "three slides, different from each other"
    assert "Усы" in files["subtitles.srt"].read_text()
    assert processes_in(tmp_path) == {}


async def test_a_second_demo_in_the_same_folder_makes_another_film(tmp_path: Path) -> None:
    films = [await made(tmp_path, "--slides", "1") for _ in range(2)]
    assert len(set(films)) == 2
    assert all(film.is_file() for film in films)


async def made(folder: Path, *arguments: str) -> Path:
    """Run a demo to its end and return the film."""
    process = await start(folder, "demo", *arguments, *SMALL)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    path, summary = out.decode().splitlines()
    assert re.fullmatch(r"\d+ tasks in \d+\.\d s", summary)
    return Path(path)


async def test_ctrl_c_stops_everything(tmp_path: Path, started: Process) -> None:
    assert len(processes_in(tmp_path)) >= 7
    started.send_signal(signal.SIGINT)
    await started.communicate()
    assert started.returncode == 130
    assert processes_in(tmp_path) == {}


async def test_sigterm_stops_everything(tmp_path: Path, started: Process) -> None:
    started.send_signal(signal.SIGTERM)
    await started.communicate()
    assert started.returncode == 128 + signal.SIGTERM
    assert processes_in(tmp_path) == {}


async def test_a_killed_demo_takes_everything_with_it(tmp_path: Path, started: Process) -> None:
    started.kill()
    await started.wait()
    await wait_until(lambda: not processes_in(tmp_path), what="all children end", timeout_s=60)


WORKER = "from workers_sdk import Worker\n\nworker = Worker('{name}-service')\n"


def write_pack(home: Path, name: str) -> None:
    folder = home / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "work.py").write_text(WORKER.format(name=name))
    (folder / "pack.yaml").write_text(f"name: {name}\ntitle: {name}\nworkers: {{main: work}}\n")


@pytest_asyncio.fixture
async def edited(tmp_path: Path) -> AsyncIterator[Process]:
    """`up --reload` over a pack named `first`."""
    home = tmp_path / "scenarios"
    home.mkdir()
    (home / "__init__.py").touch()
    write_pack(home, "first")
    process = await start(tmp_path, "up", "--reload")
    await heard(process, "submit")
    yield process
    await ended(process)


async def test_a_pack_that_comes_while_it_runs_gets_its_workers(tmp_path: Path, edited: Process) -> None:
    write_pack(tmp_path / "scenarios", "second")
    assert "second/main" in await heard(edited, "running again: ")
    workers = [line for line in processes_in(tmp_path).values() if "scenarios.second.work" in line]
    assert len(workers) == 1


async def test_a_system_that_is_told_to_end_ends_well(tmp_path: Path, edited: Process) -> None:
    edited.send_signal(signal.SIGINT)
    await edited.communicate()
    assert edited.returncode == 0
    assert processes_in(tmp_path) == {}


async def test_a_second_system_in_the_folder_is_told_how_to_use_the_first(
    tmp_path: Path, edited: Process
) -> None:
    second = await start(tmp_path, "up")
    _, err = await second.communicate()
    assert second.returncode == 3
    assert "in use" in err.decode()
    assert "submit CreateVideo --watch" in err.decode()
    assert edited.returncode is None
