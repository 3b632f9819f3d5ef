"""One template: its text, read and compiled once."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.templates.head import read_head
from orchestrator.templates.limits import Limits
from orchestrator.templates.locate import problem_in_file
from orchestrator.templates.problems import Finding, TemplateError, TemplateProblem, mark_of
from orchestrator.templates.rest import rest_of
from orchestrator.templates.source import BadSource, Source, compile_source

_DEFAULTS: Final = Limits()
_OTHER_LINE_END: Final = re.compile("[\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Template:
    """A template that compiles. Made by `load_template`.

    `file` is what problems name; `hash` is the hex SHA-256 of the text; `variables` are the declared defaults.
    """

    name: str
    text: str = field(repr=False)
    file: str
    hash: str
    variables: dict[str, Any]
    own: str | None
    """Local name of the scenario itself, from `scenario_id` at the top."""
    source: Source = field(repr=False, compare=False)


def load_template(
    text: str, *, file: str = "template.yml", name: str | None = None, limits: Limits = _DEFAULTS
) -> Template:
    """Read a template. `name` is used when the text gives none.

    Raises:
        TemplateError: the text is too long, its head or its Jinja is wrong, or it uses an unknown variable.
    """
    _check_text(text, file, limits)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    _check_lines(text, file)
    head = read_head(text, limits.max_depth)
    findings = list(head.findings)
    try:
        source = compile_source(text, frozenset(head.variables))
    except BadSource as bad:
        rest = rest_of(text, file, head, bad.unknown, limits) if bad.unknown and not findings else []
        raise _error(findings + bad.findings, file, rest) from bad
    if findings:
        raise _error(findings, file)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Template(head.name or name or file, text, file, digest, head.variables, head.own, source)


def _check_text(text: str, file: str, limits: Limits) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise _error([Finding("bad_text", "the text holds half of a surrogate pair")], file) from error
    if size > limits.max_template_bytes:
        message = f"the template is {size} bytes long, {limits.max_template_bytes} are allowed"
        raise _error([Finding("template_too_large", message)], file)


def _check_lines(text: str, file: str) -> None:
    """YAML would count other line ends than Jinja and every editor do, and no line number would hold."""
    found = _OTHER_LINE_END.search(text)
    if found is not None:
        start = text.rfind("\n", 0, found.start()) + 1
        mark = mark_of(text.count("\n", 0, found.start()), found.start() - start)
        message = f"U+{ord(found[0]):04X} ends a line in YAML but nowhere else"
        raise _error(
            [Finding("bad_text", message, mark, hint="write it as an escape in double quotes")], file
        )


def _error(findings: list[Finding], file: str, more: Sequence[TemplateProblem] = ()) -> TemplateError:
    problems = dict.fromkeys([*(problem_in_file(finding, file) for finding in findings), *more])
    return TemplateError(sorted(problems, key=lambda problem: (problem.line, problem.column)))
