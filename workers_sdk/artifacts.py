"""The artifact store: bytes too large for Redis, named by a URI that goes into `result_ref`.

Objects lie at `<scenario_id>/<task_id>/<attempt>/<name>` below one root, so two attempts never write to one place.
"""

import asyncio
import functools
import hashlib
import mimetypes
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import obstore
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

DEFAULT_ROOT: Final = "./.scenarist/artifacts"
CHUNK_BYTES: Final = 1024 * 1024
MAX_NAME_CHARS: Final = 128


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored object: `size` in bytes, `sha256` in hex. Returned by a handler, it is the task's result."""

    uri: str
    name: str
    media_type: str
    size: int
    sha256: str


class Artifacts:
    """The artifact store as one attempt of one task sees it: writes to its own place, reads everything.

    Args:
        root: a folder, `file:///folder`, `s3://bucket/prefix` or `memory://` (lives as long as the process). None:
            `SCENARIST_ARTIFACTS`, or `./.scenarist/artifacts`. A folder is made when it is first used.
        place: path below the root that this attempt writes to.
    """

    def __init__(self, root: str | None, place: str) -> None:
        self._root = _normal(root or os.environ.get("SCENARIST_ARTIFACTS") or DEFAULT_ROOT)
        self._place = place

    def put(self, name: str, data: bytes | Path, media_type: str | None = None) -> Artifact:
        """Store bytes or a file; an object of the same name of this attempt is replaced.

        Args:
            name: 1 to 128 printable characters, no path separators.
            media_type: guessed from the name by default.

        Raises:
            ValueError: the name is not usable. OSError: the file or the store cannot be read or written.
        """
        check_name(name)
        media_type = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        path = f"{self._place}/{name}"
        size, digest = self._write(path, media_type, data)
        return Artifact(f"{self._root}/{path}", name, media_type, size, digest)

    def has(self, name: str) -> bool:
        """Whether this attempt stored an object of that name."""
        try:
            obstore.head(_open(self._root), f"{self._place}/{name}")
        except FileNotFoundError:
            return False
        return True

    def get(self, ref: str, *, at_most: int | None = None) -> bytes:
        """Read a whole object into memory.

        Args:
            at_most: limit in bytes.

        Raises:
            ValueError: `ref` is not below the root, or the object is larger. FileNotFoundError: there is no such object.
        """
        return b"".join(self._read(ref, at_most))

    def fetch(self, ref: str, into: Path) -> Path:
        """Copy an object to a file: `into` itself, or a file of the object's name when `into` is a folder.

        Returns:
            The path of the file.

        Raises:
            ValueError, FileNotFoundError: as `get`. OSError: the file cannot be written.
        """
        target = into / self._path_of(ref).rpartition("/")[2] if into.is_dir() else into
        chunks = self._read(ref)
        with target.open("wb") as file:
            file.writelines(chunks)
        return target

    async def put_async(self, name: str, data: bytes | Path, media_type: str | None = None) -> Artifact:
        """`put` without blocking the event loop."""
        return await asyncio.to_thread(self.put, name, data, media_type)

    async def get_async(self, ref: str) -> bytes:
        """`get` without blocking the event loop."""
        return await asyncio.to_thread(self.get, ref)

    async def fetch_async(self, ref: str, into: Path) -> Path:
        """`fetch` without blocking the event loop."""
        return await asyncio.to_thread(self.fetch, ref, into)

    def _write(self, path: str, media_type: str, data: bytes | Path) -> tuple[int, str]:
        store = _open(self._root)
        # A folder has no place for it; the media type is in the task's result as well.
        attributes = None if isinstance(store, LocalStore) else {"Content-Type": media_type}
        size, digest = 0, hashlib.sha256()
        with obstore.open_writer(store, path, attributes=attributes) as writer:
            for chunk in _chunks(data):
                writer.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        return size, digest.hexdigest()

    def _read(self, ref: str, at_most: int | None = None) -> Iterator[bytes]:
        found = obstore.get(_open(self._root), self._path_of(ref))
        if at_most is not None and found.meta["size"] > at_most:
            raise ValueError(f"it has {found.meta['size']} bytes, more than {at_most}")
        return (bytes(chunk) for chunk in found.stream(min_chunk_size=CHUNK_BYTES))

    def _path_of(self, ref: str) -> str:
        path = ref.removeprefix(f"{self._root}/").lstrip("/")
        if not ref.startswith(f"{self._root}/") or {".", ".."} & set(path.split("/")):
            raise ValueError(f"not in the artifact store {self._root}: {ref}")
        return path


def check_name(name: str) -> None:
    """Raise ValueError for a name that could lead out of its place, or that some store cannot hold."""
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise ValueError(f"an artifact's name has 1 to {MAX_NAME_CHARS} characters, not {len(name)}")
    if name in (".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise ValueError(f"an artifact's name has no path separators and only printable characters: {name!r}")


def _chunks(data: bytes | Path) -> Iterable[bytes]:
    if isinstance(data, Path):
        with data.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    else:
        for start in range(0, len(data), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]


def _normal(root: str) -> str:
    """URI of the root, without a slash at its end."""
    if root.startswith("file://"):
        return f"file://{Path(unquote(root.removeprefix('file://'))).resolve()}"
    if "://" not in root:
        return f"file://{Path(root).resolve()}"
    return root.rstrip("/") if not root.startswith("memory:") else "memory:/"


@functools.cache
def _open(root: str) -> ObjectStore:
    if root.startswith("file://"):
        return LocalStore(Path(root.removeprefix("file://")), mkdir=True)
    return MemoryStore() if root.startswith("memory:") else from_url(root)
