"""Reads what workers put into the artifact store, and removes it in the end; the server writes nothing there.

Objects lie at `<scenario_id>/<task_id>/<attempt>/<name>` below one root, and a `result_ref` is the root's URI
plus that path.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from workers_sdk.protocol.keys import is_id

CHUNK_BYTES: Final = 256 * 1024
REMOVED_AT_ONCE: Final = 1_000
MAX_PATH_CHARS: Final = 1_024
MAX_NAME_BYTES: Final = 255


class ArtifactsUnavailable(Exception):
    """The store gave no answer, or lets us not in; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that exists. `etag` is quoted as in HTTP, empty when the store has none."""

    path: str
    size: int
    etag: str


class Artifacts:
    """The artifact store below one root.

    Args:
        root: a folder, `file:///folder`, `s3://bucket/prefix` or `memory://`. A folder is made when missing.
        store: use this object store for the root; for tests and for `memory://` shared within one process.

    Raises:
        OSError: the folder cannot be made. ValueError: the URL is of no known kind.
    """

    def __init__(self, root: str, *, store: ObjectStore | None = None) -> None:
        self._folder = _folder_of(root)
        self.uri = (f"file://{self._folder}" if self._folder else root).rstrip("/")
        self._store = store or _open(root, self._folder)

    def paths_of(self, ref: str) -> list[str]:
        """Paths below the root that a reference may mean, the likelier first; none when it points elsewhere.

        The SDK writes names as they are; others write file URIs, where names are percent-encoded.
        """
        forms = dict.fromkeys([ref, unquote(ref)] if self._folder else [ref])
        # memory:// names no place, so its references may have three slashes.
        paths = [form.removeprefix(self.uri).lstrip("/") for form in forms if form.startswith(f"{self.uri}/")]
        return [path for path in paths if is_artifact_path(path)]

    async def find(self, path: str) -> Stored | None:
        """Look up an object; None when there is none, or when `path` is not one that a worker can have written.

        Raises:
            ArtifactsUnavailable: nobody can tell.
        """
        if not is_artifact_path(path) or not await asyncio.to_thread(self._is_inside, path):
            return None
        try:
            meta = await obstore.head_async(self._store, path)
        except (FileNotFoundError, ValueError):
            return None
        except (BaseError, OSError) as error:
            raise ArtifactsUnavailable(str(error)) from error
        return Stored(path, meta["size"], meta.get("e_tag") or "")

    async def read(self, stored: Stored, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes `start` (inclusive) to `end` (exclusive) in chunks; at most two chunks are held in memory."""
        if start >= end:
            return
        result = await obstore.get_async(self._store, stored.path, options={"range": (start, end)})
        async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    async def remove(self, scenario_id: str) -> int:
        """Remove all that lies below a scenario, and return how many objects that were. May be repeated, and broken off.

        Raises:
            ValueError: that is no id. OSError, BaseError (obstore): the store does not answer, or refuses.
        """
        if not is_id(scenario_id):
            raise ValueError("not an id")
        removed = 0
        while paths := await self._listed(f"{scenario_id}/"):
            with contextlib.suppress(FileNotFoundError):  # somebody else removes them too
                await obstore.delete_async(self._store, paths)
            removed += len(paths)
        if self._folder is not None:  # what a worker that died was writing is on no list
            await asyncio.to_thread(shutil.rmtree, self._folder / scenario_id, ignore_errors=True)
        return removed

    async def _listed(self, prefix: str) -> list[str]:
        """Paths of some objects."""
        async for found in obstore.list(self._store, prefix=prefix, chunk_size=REMOVED_AT_ONCE):
            return [meta["path"] for meta in found]
        return []

    def _is_inside(self, path: str) -> bool:
        """Whether a local path stays below the root when links are followed."""
        if self._folder is None:
            return True
        try:
            return (self._folder / path).resolve().is_relative_to(self._folder)
        except OSError:  # too long a name, a loop of links
            return False


def is_artifact_path(path: str) -> bool:
    """Whether `path` has the form `<scenario_id>/<task_id>/<attempt>/<name>`, with nothing that could climb out."""
    parts = path.split("/")
    if len(parts) != 4 or len(path) > MAX_PATH_CHARS or not (is_id(parts[0]) and is_id(parts[1])):
        return False
    if not (parts[2].isascii() and parts[2].isdigit()):
        return False
    name = parts[3]
    fits = len(name.encode(errors="replace")) <= MAX_NAME_BYTES  # more than a file system takes
    return name not in ("", ".", "..") and name.isprintable() and "\\" not in name and fits


def _folder_of(root: str) -> Path | None:
    if root.startswith("file://"):
        return Path(unquote(root.removeprefix("file://"))).resolve()
    return None if "://" in root else Path(root).resolve()


def _open(root: str, folder: Path | None) -> ObjectStore:
    if folder:
        return LocalStore(folder, mkdir=True)
    if root.startswith("memory:"):
        return MemoryStore()
    return from_url(root)
