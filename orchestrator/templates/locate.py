"""From a place in the rendered text back to the place in the template file.

The template is rendered once more with line marks in front of every literal piece; that happens only when there is
something to report. Lines are exact. A column is exact when no `{% %}` stands before it on its line.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from orchestrator.templates.problems import QUOTE_IT, Finding, TemplateProblem, dotted, place_of
from orchestrator.templates.source import Source, render
from orchestrator.templates.state import END, LINE_END, PREFIX, Rendering
from orchestrator.templates.tree import Tree, mark_at
from orchestrator.templates.yamlload import parse

_OUTPUT_END: Final = re.compile(r"-?\}\}")
_SCALAR: Final = re.compile(r"\{\{.*?\}\}|[^\s#,\[\]{}\"']+")
_INDEX: Final = re.compile(r"\[[0-9]+\]")
_Kind = tuple[str, int, int, str]


class Locator:
    """Finds the places of one rendering, whose state is `state`."""

    def __init__(self, source: Source, file: str, variables: dict[str, Any], state: Rendering) -> None:
        self._source = source
        self._file = file
        self._tree: Tree = None
        self._variables = variables
        self._state = state

    def problems(self, findings: Sequence[Finding], text: str) -> list[TemplateProblem]:
        """Findings with their places in the file, in its order. What one line brings about many times is told once."""
        # Once more and whole, for the places: what was read in pieces has none.
        self._tree = parse(text, self._state.prefix, self._state.limits.max_depth).tree
        lines = self._line_table(text)
        token = re.compile(f"{self._state.prefix}[0-9]+{END}")
        rendered = text.split("\n")
        first: dict[_Kind, TemplateProblem] = {}
        more: Counter[_Kind] = Counter()
        for finding in findings:
            problem = self._problem(finding, lines, rendered, token)
            key = (problem.code, problem.line, problem.column, _INDEX.sub("[]", problem.path))
            if first.setdefault(key, problem) is not problem:
                more[key] += 1
        told = [
            replace(problem, message=f"{problem.message}; and {more[key]} more like it")
            if more[key]
            else problem
            for key, problem in first.items()
        ]
        return sorted(told, key=lambda problem: (problem.line, problem.column))

    def _problem(
        self, finding: Finding, lines: list[int], rendered: list[str], token: re.Pattern[str]
    ) -> TemplateProblem:
        mark = finding.mark if finding.mark >= 0 else mark_at(self._tree, finding.path)
        row, offset = place_of(mark)
        line = lines[row] if row < len(lines) else len(self._source.lines)
        before = rendered[row][:offset] if row < len(rendered) else ""
        column = self._column(line, before, token)
        if finding.hint == QUOTE_IT:
            finding = replace(finding, hint=self._quoted(line, column))
        return problem_at(finding, self._file, line, column)

    def _quoted(self, line: int, column: int) -> str:
        source = self._source.lines[line - 1]
        found = None if "{%" in source[: column - 1] else _SCALAR.match(source, column - 1)
        return f'{QUOTE_IT}: "{found[0]}"' if found is not None else QUOTE_IT

    def _column(self, line: int, before: str, token: re.Pattern[str]) -> int:
        """Step over as many `{{ }}` of the template's line as there are tokens before the place."""
        source = self._source.lines[line - 1] if 1 <= line <= len(self._source.lines) else ""
        pieces = token.split(before)
        start = 0
        for _ in pieces[1:]:
            end = _OUTPUT_END.search(source, start)
            start = end.end() if end is not None else start
        return min(start + len(pieces[-1]), len(source)) + 1

    def _line_table(self, text: str) -> list[int]:
        """Template line (from 1) of every rendered line."""
        state = Rendering(
            self._state.scenario_id,
            self._state.own,
            self._state.moment,
            self._state.limits,
            self._state.prefix,
        )
        marked = render(self._source.marked, self._variables, state)
        lines = [1]
        current, blank = 1, True
        pieces = re.split(f"{PREFIX}([0-9]+){LINE_END}", marked)
        for number, piece in enumerate(pieces):
            if number % 2:
                current = int(piece)
                if blank:
                    lines[-1] = current
                continue
            rows = piece.split("\n")
            blank = (blank and not rows[0].strip()) if len(rows) == 1 else not rows[-1].strip()
            lines += range(current + 1, current + len(rows))
            current += len(rows) - 1
        return lines


def problem_at(finding: Finding, file: str, line: int = 0, column: int = 0) -> TemplateProblem:
    """The finding with its place."""
    return TemplateProblem(
        code=finding.code,
        message=finding.message,
        file=file,
        line=line,
        column=column,
        path=dotted(finding.path),
        severity=finding.severity,
        hint=finding.hint,
    )


def problem_in_file(finding: Finding, file: str) -> TemplateProblem:
    """A finding whose mark is already a place in the file."""
    if finding.mark < 0:
        return problem_at(finding, file)
    line, column = place_of(finding.mark)
    return problem_at(finding, file, line + 1, column + 1)
