"""The artifact store."""

import hashlib
from pathlib import Path

import pytest

from workers_sdk import Artifacts


def test_bytes_and_files_are_stored_and_read_back(tmp_path: Path) -> None:
    store = Artifacts(str(tmp_path / "store"), "s/t/1")
    data = bytes(range(256)) * 10_000
    (tmp_path / "film.mp4").write_bytes(data)
    film = store.put("film.mp4", tmp_path / "film.mp4")
    assert film.uri == f"file://{tmp_path}/store/s/t/1/film.mp4"
    assert (film.name, film.media_type, film.size) == ("film.mp4", "video/mp4", len(data))
    assert film.sha256 == hashlib.sha256(data).hexdigest()
    assert store.get(film.uri) == data
    assert store.put("empty", b"").size == 0


def test_an_artifact_is_fetched_into_a_file_or_a_folder(tmp_path: Path) -> None:
    store = Artifacts(str(tmp_path / "store"), "s/t/1")
    ref = store.put("кот 100%.txt", "мяу".encode(), "text/plain").uri
    assert store.fetch(ref, tmp_path) == tmp_path / "кот 100%.txt"
    assert store.fetch(ref, tmp_path / "copy").read_text() == "мяу"


async def test_the_async_forms_do_the_same() -> None:
    store = Artifacts("memory://", "s/t/1")
    artifact = await store.put_async("a.bin", b"123")
    assert artifact.media_type == "application/octet-stream"
    # Within a process all see one memory.
    assert await Artifacts("memory://", "s/t/2").get_async(artifact.uri) == b"123"


async def test_fetching_does_not_block_the_loop(tmp_path: Path) -> None:
    store = Artifacts("memory://", "s/t/1")
    artifact = await store.put_async("a.bin", b"123")
    assert (await store.fetch_async(artifact.uri, tmp_path)).read_bytes() == b"123"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\nb", "\x00", "x" * 129])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an artifact's name"):
        Artifacts(str(tmp_path), "s/t/1").put(name, b"")


@pytest.mark.parametrize("ref", ["file:///etc/passwd", "s3://other/x", "{root}/../x", "{root}", "relative"])
def test_only_what_lies_in_the_store_can_be_read(ref: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not in the artifact store"):
        Artifacts(str(tmp_path), "s/t/1").get(ref.format(root=f"file://{tmp_path}"))


def test_a_missing_object_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Artifacts(str(tmp_path), "s/t/1").fetch(f"file://{tmp_path}/s/t/1/none", tmp_path)


def test_the_root_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENARIST_ARTIFACTS", f"file://{tmp_path}/from-environment/")
    assert Artifacts(None, "s").put("a", b"1").uri == f"file://{tmp_path}/from-environment/s/a"


def test_an_object_store_keeps_the_address_it_was_given() -> None:
    with pytest.raises(ValueError, match="not in the artifact store s3://bucket/prefix:"):
        Artifacts("s3://bucket/prefix/", "s").get("s3://bucket/prefixed/x")
