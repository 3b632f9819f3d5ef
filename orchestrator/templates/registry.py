"""The templates of an installation: every `*.yml` and `*.yaml` file of some folders."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.templates.limits import Limits
from orchestrator.templates.problems import TemplateError, TemplateProblem, UnknownTemplate, closest
from orchestrator.templates.template import Template, load_template
from orchestrator.templates.together import PREFIX


class Registry:
    """Templates by name. Reads the files once, when made.

    Args:
        folders: of the packs.
        overriding: folders whose templates take the place of those of the same name in `folders`.

    Raises:
        TemplateError: with the problems of all files; also when two files of the same kind of folder have one name.
    """

    def __init__(
        self, folders: Sequence[Path], limits: Limits | None = None, *, overriding: Sequence[Path] = ()
    ) -> None:
        problems: list[TemplateProblem] = []
        below = _loaded(folders, limits or Limits(), problems)
        above = _loaded(overriding, limits or Limits(), problems)
        if problems:
            raise TemplateError(problems)
        self._templates = below | above

    def names(self) -> list[str]:
        """Names of all templates, as their files give them, sorted."""
        return sorted(template.name for template in self._templates.values())

    def all(self) -> list[Template]:
        """All templates, sorted by name."""
        return sorted(self._templates.values(), key=lambda template: template.name)

    def get(self, name: str) -> Template:
        """The template of a name, with or without the prefix `Scenario`. Raises UnknownTemplate."""
        template = self._templates.get(name.removeprefix(PREFIX))
        if template is None:
            raise UnknownTemplate(name, closest(name, self.names()))
        return template


def _loaded(folders: Sequence[Path], limits: Limits, problems: list[TemplateProblem]) -> dict[str, Template]:
    """Templates of some folders by their short name; what is wrong with them is added to `problems`."""
    found: dict[str, Template] = {}
    for file in (file for folder in folders for file in _files(folder)):
        try:
            template = _load(file, limits)
        except TemplateError as error:
            problems += error.problems
            continue
        other = found.setdefault(template.name.removeprefix(PREFIX), template)
        if other is not template:
            message = f"{template.file} and {other.file} both hold a template named {template.name}"
            problems.append(TemplateProblem("duplicate_template", message, template.file, path="name"))
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in (".yml", ".yaml") and file.is_file())


def _load(file: Path, limits: Limits) -> Template:
    shown = file.as_posix()
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise TemplateError(
            [TemplateProblem("unreadable", f"cannot read the file: {reason}", shown)]
        ) from error
    return load_template(text, file=shown, name=file.stem, limits=limits)
