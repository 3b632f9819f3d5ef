from pathlib import Path

import pytest
from obstore.store import MemoryStore

from orchestrator.api.downloads import Span, headers_of, span_of
from orchestrator.api.problems import Problem
from orchestrator.artifacts import CHUNK_BYTES, Artifacts, Stored, is_artifact_path

SCENARIO = "2q0v9k5xw3hmt7ad"
TASK = "2q8fz1c4n6yrj0eb"
FOLDER = f"{SCENARIO}/{TASK}/1"

FORGED = [
    "",
    "/etc/passwd",
    f"{FOLDER}/../../../../etc/passwd",
    f"{FOLDER}/..",
    f"{FOLDER}/a\x00b",
    f"{FOLDER}/",
    f"{FOLDER}//x",
    f"{FOLDER}/..\\..\\x",
    f"{SCENARIO}/{TASK}/one/x",
    f"{SCENARIO}/../1/x",
    f"{FOLDER}/{'x' * 2_000}",
]


@pytest.mark.parametrize("path", FORGED)
async def test_forged_paths_find_nothing(tmp_path: Path, path: str) -> None:
    assert not is_artifact_path(path)
    assert await Artifacts(str(tmp_path)).find(path) is None


async def test_a_link_out_of_the_store_finds_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    root = tmp_path / "store"
    (root / FOLDER).mkdir(parents=True)
    (root / FOLDER / "link.txt").symlink_to(secret)

    assert await Artifacts(str(root)).find(f"{FOLDER}/link.txt") is None


async def test_a_name_longer_than_the_disk_takes_finds_nothing(tmp_path: Path) -> None:
    assert await Artifacts(str(tmp_path)).find(f"{FOLDER}/{'x' * 300}") is None


async def test_a_large_object_is_read_in_chunks(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4_096
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "Привет мир.bin").write_bytes(data)
    artifacts = Artifacts(f"file://{tmp_path}")
    stored = await artifacts.find(f"{FOLDER}/Привет мир.bin")
    assert stored is not None

    chunks = [chunk async for chunk in artifacts.read(stored, 10, stored.size)]

    assert b"".join(chunks) == data[10:]
    assert max(map(len, chunks)) <= 2 * CHUNK_BYTES


@pytest.mark.parametrize(
    ("root", "ref", "path"),
    [
        ("s3://bucket/prefix/", f"s3://bucket/prefix/{FOLDER}/x.mp4", f"{FOLDER}/x.mp4"),
        ("s3://bucket/prefix", f"s3://bucket/{FOLDER}/x.mp4", None),
        ("s3://bucket/prefix", f"s3://bucket/prefix-of-others/{FOLDER}/x.mp4", None),
        ("s3://bucket", "output/video.mp4", None),
        ("memory://", f"memory:///{FOLDER}/x.mp4", f"{FOLDER}/x.mp4"),
        ("memory://", f"memory://{FOLDER}/x.mp4", f"{FOLDER}/x.mp4"),
    ],
)
def test_a_reference_is_ours_only_below_the_root(root: str, ref: str, path: str | None) -> None:
    assert Artifacts(root, store=MemoryStore()).paths_of(ref) == ([path] if path else [])


def test_a_reference_to_a_local_file_may_be_percent_encoded(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path))

    assert artifacts.paths_of(f"file://{tmp_path}/{FOLDER}/a%20b.txt") == [
        f"{FOLDER}/a%20b.txt",
        f"{FOLDER}/a b.txt",
    ]
    assert f"{FOLDER}/ж.txt" in artifacts.paths_of((tmp_path / FOLDER / "ж.txt").as_uri())
    assert artifacts.paths_of(f"file://{tmp_path}/{FOLDER}/../../x") == []
    assert artifacts.paths_of("file:///etc/passwd") == []


async def test_a_decoded_reference_cannot_climb(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path))
    paths = artifacts.paths_of(f"file://{tmp_path}/{FOLDER}/%2e%2e/%2e%2e/x")

    assert [await artifacts.find(path) for path in paths] == [None] * len(paths)
    assert not [path for path in paths if ".." in path]


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-3", Span(0, 4)),
        ("bytes=4-", Span(4, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-99", Span(0, 10)),
        ("bytes=8-99", Span(8, 10)),
        ("items=0-1", None),
    ],
)
def test_one_range_is_understood(header: str, span: Span | None) -> None:
    assert span_of({"range": header}, Stored("x", 10, '"e"')) == span


@pytest.mark.parametrize(
    "header",
    [
        "bytes=10-",
        "bytes=3-1",
        "bytes=-0",
        "bytes=-",
        "bytes=0-1,2-3",
        "bytes=a-b",
        "bytes",
        "bytes=" + ",".join(f"{i}-{i}" for i in range(1_000)),
        "bytes=0-" + "9" * 5_000,
    ],
)
def test_what_is_not_one_range_within_the_artifact_is_416(header: str) -> None:
    with pytest.raises(Problem) as caught:
        span_of({"range": header}, Stored("x", 10, '"e"'))

    assert caught.value.status_code == 416
    assert caught.value.headers == {"Content-Range": "bytes */10"}


def test_a_range_of_another_version_gives_the_whole() -> None:
    stored = Stored("x", 10, '"e"')

    assert span_of({"range": "bytes=0-1", "if-range": '"old"'}, stored) is None
    assert span_of({"range": "bytes=0-1", "if-range": '"e"'}, stored) == Span(0, 2)


@pytest.mark.parametrize("name", ["x.svg", "x.html", "x.HTM", "x.xml", "x.exe", "noname", "x.js"])
def test_what_a_browser_could_run_is_saved_not_shown(name: str) -> None:
    headers = headers_of(Stored(f"{FOLDER}/{name}", 1, ""))

    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_video_is_shown_under_its_own_name() -> None:
    headers = headers_of(Stored(f'{FOLDER}/кот "1".mp4', 1, '"e"'))

    assert headers["Content-Type"] == "video/mp4"
    assert headers["Content-Disposition"] == "inline; filename*=UTF-8''%D0%BA%D0%BE%D1%82%20%221%22.mp4"
    assert headers["ETag"] == '"e"'
