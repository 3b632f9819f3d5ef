"""What must be known before a template is rendered: its name, its own id, its variables with their defaults.

They are read from the text itself, so they stand there literally, without Jinja.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from orchestrator.templates.functions import GLOBALS
from orchestrator.templates.problems import Finding, Path, mark_of, place_of
from orchestrator.templates.state import PREFIX
from orchestrator.templates.tree import Json, Map
from orchestrator.templates.yamlload import parse

_COMMENT: Final = re.compile(r"\{#.*?#\}", re.DOTALL)
_TOP_KEY: Final = re.compile(
    r"""(["']?)(scenario_id|version|name|description|variables|tasks)\1\s*:(?=\s|$)"""
)
_BREAK: Final = re.compile(r"""[^\s#}\]-]|---""")
_JINJA: Final = re.compile(r"\{\{|\{%")
_OWN: Final = re.compile(r"""\{\{-?\s*SHORT_UUID\(\s*\\?(["'])(.+?)\\?\1\s*\)\s*-?\}\}""")
_NOT_NAMES: Final = frozenset(
    ("true", "false", "none", "True", "False", "None", "loop", "self", "caller", "varargs", "kwargs")
)


@dataclass(slots=True)
class Head:
    """The head of a template. `own` is the local name of the scenario itself."""

    name: str | None = None
    own: str | None = None
    variables: dict[str, Json] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def read_head(text: str, max_depth: int) -> Head:
    """Read the head. Problems are findings with marks of the file."""
    head = Head()
    sections = _sections(_COMMENT.sub(lambda m: "\n" * m[0].count("\n"), text))
    for key in ("name", "variables"):
        if key not in sections:
            continue
        start, section = sections[key]
        value = _literal(key, start, section, max_depth, head)
        if key == "variables" and isinstance(value, Map):
            head.variables = _declared(value, start, head)
        elif key == "name" and isinstance(value, str):
            head.name = value
    if "scenario_id" in sections:
        head.own = _own(*sections["scenario_id"], max_depth, head)
    return head


def _sections(text: str) -> dict[str, tuple[int, str]]:
    """Top-level entries: their first line (from 0) and their text; of a repeated one the first."""
    sections: dict[str, tuple[int, str]] = {}
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _BREAK.match(line)]
    for start, end in pairwise([*starts, len(lines)]):
        key = _TOP_KEY.match(lines[start])
        if key is not None:
            sections.setdefault(key[2], (start, "\n".join(lines[start:end])))
    return sections


def _literal(key: str, start: int, section: str, max_depth: int, head: Head) -> Any:
    jinja = _JINJA.search(section)
    if jinja is not None:
        line = section.count("\n", 0, jinja.start())
        column = jinja.start() - (section.rfind("\n", 0, jinja.start()) + 1)
        message = f"`{key}` is read before the template is rendered, so it cannot hold Jinja"
        hint = "compute in the tasks, with {% set %}" if key == "variables" else "write the name out"
        head.findings.append(Finding("jinja_in_head", message, mark_of(start + line, column), (key,), hint))
        return None
    parsed = parse(section, PREFIX, max_depth)
    for finding in parsed.findings:
        line, column = place_of(finding.mark)
        head.findings.append(
            Finding(finding.code, finding.message, mark_of(start + line, column), (key,), finding.hint)
        )
    value = parsed.tree.get(key) if isinstance(parsed.tree, Map) else None
    if key == "variables" and value is not None and not isinstance(value, Map):
        head.findings.append(
            Finding("wrong_type", "`variables` is a mapping of names to defaults", mark_of(start, 0), (key,))
        )
    return value


def _declared(variables: Map, start: int, head: Head) -> dict[str, Json]:
    for name, mark in variables.marks.items():
        if not name.isidentifier() or name in _NOT_NAMES or name in GLOBALS:
            path: Path = ("variables", name)
            line, column = place_of(mark)
            message = f"{name!r} cannot be the name of a variable"
            hint = "use letters, digits and _, and none of the words that templates already have"
            head.findings.append(
                Finding("bad_variable_name", message, mark_of(start + line, column), path, hint)
            )
    return {name: _plain(value) for name, value in variables.items()}


def _plain(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return [_plain(item) for item in tree] if isinstance(tree, list) else tree


def _own(start: int, section: str, max_depth: int, head: Head) -> str | None:
    made = _OWN.search(section)
    if made is not None:
        return made[2]
    if _JINJA.search(section):
        message = "the scenario's own id is `{{ SHORT_UUID('<name>') }}` or a literal name"
        head.findings.append(Finding("jinja_in_head", message, mark_of(start, 0), ("scenario_id",)))
        return None
    parsed = parse(section, PREFIX, max_depth)
    value = parsed.tree.get("scenario_id") if isinstance(parsed.tree, Map) else None
    return value if isinstance(value, str) else None
