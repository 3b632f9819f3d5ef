"""Results whose JSON does not fit a report: stored as an artifact, and loaded again where the result is asked for.

What is recorded in place of the value is `{"artifact": {"uri", "name", "media_type", "size", "sha256"}, "inline": false}`.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from .artifacts import Artifact, Artifacts
from .outcome import Done, Outcome, failed_as, succeeded
from .protocol.messages import MAX_RESULT_BYTES, loads
from .reference import Reference

NAME: Final = "result.json"
OTHER_NAME: Final = "result.value.json"
"""When the handler itself stored a `result.json`."""
MEDIA_TYPE: Final = "application/json"
MAX_LOADED_BYTES: Final = 64 * 1024 * 1024
"""Largest result that is loaded by itself; for a handler on the loop, of all that it refers to together."""


def stored(outcome: Outcome, artifacts: Artifacts) -> Outcome:
    """Store the large result of an outcome; blocks. A store that cannot be reached makes it a failure."""
    try:
        name = OTHER_NAME if artifacts.has(NAME) else NAME
        artifact = artifacts.put(name, outcome.large, MEDIA_TYPE)
    except Exception as error:  # a store may raise anything
        return failed_as(
            "result_not_stored",
            f"the result has {len(outcome.large)} bytes of JSON, {MAX_RESULT_BYTES} fit inline, and it could not be stored "
            f"as an artifact: {type(error).__name__}: {error}",
            retry=True,
        )
    mark = {"artifact": asdict(artifact), "inline": False}
    return succeeded(
        Done(outcome.fields.get("result_ref") or artifact.uri, mark), outcome.fields.get("spawn", "")
    )


def load(reference: Reference, artifact: Artifact, artifacts: Artifacts) -> Any:
    """The large result of a task; blocks, unless it was loaded ahead.

    Raises:
        LookupError: it cannot be loaded; says why.
    """
    if reference.problem:
        raise LookupError(reference.problem)
    try:
        return loads(reference.loaded or artifacts.get(artifact.uri, at_most=MAX_LOADED_BYTES))
    except Exception as error:  # a store may raise anything
        raise LookupError(_problem(reference, artifact, error)) from error


def preloaded(references: Mapping[str, Reference], artifacts: Artifacts) -> dict[str, Reference]:
    """Load the large ones ahead, for a handler that must not block; blocks itself. What cannot be loaded says why later."""
    left = MAX_LOADED_BYTES
    ready = dict(references)
    for task_id, reference in references.items():
        if (artifact := artifact_of(reference)) is None:
            continue
        try:
            data = artifacts.get(artifact.uri, at_most=left)
        except Exception as error:
            ready[task_id] = replace(reference, problem=_problem(reference, artifact, error))
        else:
            left -= len(data)
            ready[task_id] = replace(reference, loaded=data)
    return ready


def artifact_of(reference: Reference) -> Artifact | None:
    """The artifact that holds the result; None: the result is inline."""
    if b'"inline"' not in reference.value:
        return None
    with contextlib.suppress(TypeError, ValueError):  # it only looks like one
        value = loads(reference.value)
        if isinstance(value, dict) and set(value) == {"artifact", "inline"} and value["inline"] is False:
            artifact = Artifact(**value["artifact"])
            return artifact if isinstance(artifact.uri, str) else None
    return None


def _problem(reference: Reference, artifact: Artifact, error: Exception) -> str:
    return (
        f"the result of task {reference.task_id} ({reference.name.decode()}) is an artifact of {artifact.size} bytes that "
        f"cannot be loaded: {type(error).__name__}: {error}. Up to {MAX_LOADED_BYTES} bytes are loaded by themselves (all "
        f"together in an async handler): read {artifact.uri} with ctx.artifacts. All workers need the same artifact store."
    )
