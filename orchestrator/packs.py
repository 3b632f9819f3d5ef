"""Finds scenario packs by name, without running any of their code.

A pack is a package with a file `pack.yaml`: a folder of the `scenarios` package, or an installed package that is
named by an entry point of the group `scenarist.packs`.
"""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

HOME: Final = "scenarios"
GROUP: Final = "scenarist.packs"
MANIFEST: Final = "pack.yaml"


class PackError(Exception):
    """A pack whose `pack.yaml` cannot be used; the message names the file and the mistake."""


class Manifest(BaseModel):
    """The content of `pack.yaml`.

    `templates` is a folder of the pack; `workers` maps the name of a worker to its module, full or relative to the
    pack; `services` maps a service to the worker that serves it; `requires` names extras of this distribution.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    title: str = Field(min_length=1, max_length=200)
    summary: str = Field(default="", max_length=2_000)
    templates: str = "templates"
    workers: dict[str, str] = {}
    services: dict[str, str] = {}
    requires: list[str] = []

    @model_validator(mode="after")
    def _services_have_workers(self) -> Self:
        if unknown := sorted(set(self.services.values()) - self.workers.keys()):
            raise ValueError(f"services name workers that do not exist: {', '.join(unknown)}")
        return self


@dataclass(frozen=True, slots=True)
class Pack:
    """One scenario pack. `workers` maps the name of a worker to the full name of its module; see `Manifest`."""

    name: str
    title: str
    summary: str
    template_folder: Path
    workers: dict[str, str]
    services: dict[str, str]
    requires: list[str]


def discover() -> list[Pack]:
    """All packs, those of the `scenarios` folder first, each group by name.

    Raises:
        PackError: a manifest is wrong, or two packs have one name.
    """
    packs: dict[str, Pack] = {}
    for module, folder in dict([*_in_home(), *_installed()]).items():
        pack = read_pack(module, folder)
        if pack.name in packs:
            raise PackError(f"{folder / MANIFEST}: another pack is already named {pack.name}")
        packs[pack.name] = pack
    return list(packs.values())


def read_pack(module: str, folder: Path) -> Pack:
    """Read the manifest of one pack.

    Args:
        module: dotted name of the pack's package; worker modules of the manifest are relative to it.
        folder: where the package lies.

    Raises:
        PackError: the manifest is missing, not YAML, or not of the documented form.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PackError(f"{path}: {_words(error)}") from error
    workers = {name: _absolute(module, target) for name, target in manifest.workers.items()}
    return Pack(
        name=manifest.name,
        title=manifest.title,
        summary=manifest.summary.strip(),
        template_folder=folder / manifest.templates,
        workers=workers,
        services=manifest.services,
        requires=manifest.requires,
    )


def _absolute(module: str, target: str) -> str:
    return target if target.startswith(f"{module}.") else f"{module}.{target}"


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'top level'}: {e['msg']}" for e in error.errors())
    return str(error)


def _in_home() -> Iterator[tuple[str, Path]]:
    for home in _folders(HOME):
        for manifest in sorted(home.glob(f"*/{MANIFEST}")):
            yield f"{HOME}.{manifest.parent.name}", manifest.parent


def _installed() -> Iterator[tuple[str, Path]]:
    for entry in sorted(importlib.metadata.entry_points(group=GROUP)):
        for folder in _folders(entry.value):
            # A package installed beside its own source tree lists packs that lie elsewhere or are gone.
            if (folder / MANIFEST).is_file():
                yield entry.value, folder


def _folders(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return []
    return [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
