"""What stands beside every figure: machine, versions, commit; and where figures are kept."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("redis", "hiredis", "uvloop", "orjson", "jinja2", "pyyaml", "fastapi", "uvicorn")

Json = Any


def versions() -> dict[str, str]:
    """Python and the packages that matter; `none` for one that is not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def machine() -> dict[str, Json]:
    """Where this runs, and how busy it was before."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """Short name of the commit, with a plus when tracked files were changed since."""
    words = ("git", "describe", "--always", "--dirty=+", "--exclude=*")
    done = subprocess.run(
        words, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=False
    )
    return done.stdout.strip() or "unknown"


def now() -> str:
    """Seconds are enough."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def keep(folder: Path, name: str, data: Mapping[str, Json]) -> Path:
    """Write a data file, named by the time; the latest stands last."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}-{name}.json"
    path.write_text(json.dumps(data, indent=1) + "\n")
    return path


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
