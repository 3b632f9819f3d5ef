"""From template text to a compiled template: checked, every loop counted, in two forms.

The marked form carries line marks and serves only to say where in the file a problem stands.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Final

import jinja2
from jinja2 import meta, nodes
from jinja2.visitor import NodeTransformer

from orchestrator.templates.deferred import OF_EVENT, OF_ITEMS
from orchestrator.templates.functions import COMPARED, EACH_TURN, GLOBALS, ID_OF, KEY, NOW, OF_RUN_TIME, TILDE
from orchestrator.templates.problems import Finding, Refused, did_you_mean, mark_of
from orchestrator.templates.sandbox import ENVIRONMENT
from orchestrator.templates.state import CURRENT, LINE_END, PREFIX, Rendering, new_prefix

_FORBIDDEN: Final[dict[type[nodes.Node], str]] = {
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "import", nodes.Extends: "extends",
    nodes.Block: "block", nodes.FilterBlock: "filter", nodes.CallBlock: "call", nodes.ScopedEvalContextModifier: "autoescape",
}  # fmt: skip
_BATCH: Final = 4_096
_FILENAME: Final = "<scenario template>"
_NAMES: Final = OF_RUN_TIME | GLOBALS
_STATES: Final = re.compile(r"^[\"']?states[\"']?[ \t]*:", re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A compiled template. `plain` renders; `marked` renders the same text with line marks in it."""

    plain: jinja2.Template
    lines: tuple[str, ...]
    marked: jinja2.Template


class BadSource(Exception):
    """The text is not a template. Holds all findings; their marks are places in the file.

    `unknown`: variables that are the only fault and are only put out, as `{{ X }}`, so that the text renders with any value.
    """

    def __init__(self, findings: list[Finding], unknown: frozenset[str] = frozenset()) -> None:
        super().__init__(findings)
        self.findings = findings
        self.unknown = unknown


@functools.lru_cache(maxsize=256)
def compile_source(text: str, known: frozenset[str]) -> Source:
    """Compile a template that may use the variables `known`. Raises BadSource."""
    lines = tuple(text.split("\n"))
    try:
        tree = ENVIRONMENT.parse(text)
        _refuse(tree, known | _of_run_time(text), lines)
        return Source(
            _compile(ENVIRONMENT.parse(text), None), lines, _compile(ENVIRONMENT.parse(text), PREFIX)
        )
    except jinja2.TemplateSyntaxError as error:
        raise BadSource(
            [Finding("template_syntax", error.message or "", _first_tag(lines, error.lineno))]
        ) from error
    except (RecursionError, MemoryError, SyntaxError, OverflowError, ValueError) as error:
        raise BadSource(
            [Finding("template_too_complex", "the template nests too deeply to be compiled")]
        ) from error


def render(template: jinja2.Template, variables: dict[str, Any], state: Rendering) -> str:
    """Rendered text with tokens. Raises whatever the expressions raise; `explain` turns it into a finding."""
    token = CURRENT.set(state)
    try:
        context = template.new_context(variables)
        chunks = template.root_render_func(context)
        parts: list[str] = []
        room = state.limits.max_output
        while batch := list(islice(chunks, _BATCH)):
            room -= sum(map(len, batch))
            if room < 0:
                raise Refused(
                    "output_too_large", f"the text is longer than {state.limits.max_output} characters"
                )
            parts += batch
        return "".join(parts)
    finally:
        CURRENT.reset(token)


def explain(error: Exception, source: Source) -> Finding:
    """What went wrong while an expression ran, and on which line."""
    mark = _first_tag(source.lines, _line_of(error.__traceback__, source))
    if isinstance(error, Refused):
        return Finding(error.code, str(error), mark, hint=error.hint)
    if isinstance(error, jinja2.UndefinedError):
        return Finding("unknown_variable", str(error), mark, hint="variables are declared under `variables:`")
    if isinstance(error, (RecursionError, MemoryError)):
        return Finding("template_too_complex", "the template calls itself too deeply", mark)
    return Finding("bad_expression", f"{type(error).__name__}: {error}"[:300], mark)


def _line_of(trace: TracebackType | None, source: Source) -> int:
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILENAME:
            line = source.plain.get_corresponding_lineno(trace.tb_lineno)
            break
        trace = trace.tb_next
    return line


def _first_tag(lines: tuple[str, ...], line: int | None) -> int:
    """Mark of the first tag on a line (from 1); -1 for no line."""
    if line is None or not 1 <= line <= len(lines):
        return -1
    columns = [column for tag in ("{{", "{%") if (column := lines[line - 1].find(tag)) >= 0]
    return mark_of(line - 1, min(columns, default=0))


def _refuse(tree: nodes.Template, known: frozenset[str], lines: tuple[str, ...]) -> None:
    """Raise BadSource for a tree that is not acceptable. Spends the tree."""
    findings = list(_check(tree, lines))
    try:
        unknown = _unknown_names(tree, known)
    except jinja2.TemplateSyntaxError:
        if not findings:
            raise
        raise BadSource(findings) from None
    if findings or unknown:
        fillable = not findings and _only_put_out(tree, unknown)
        told = [_unknown_name(node, known, lines) for node in unknown]
        raise BadSource(findings + told, frozenset(node.name for node in unknown if fillable))


def _of_run_time(text: str) -> frozenset[str]:
    """Names of what is known only at run time. There is no item without a `foreach`, no event without states."""
    absent = () if "foreach" in text else OF_ITEMS
    return frozenset(OF_RUN_TIME).difference(absent, () if _STATES.search(text) else (OF_EVENT,))


def _check(tree: nodes.Template, lines: tuple[str, ...]) -> Iterator[Finding]:
    for node in tree.find_all(nodes.Node):
        wrong = _wrong_with(node)
        if wrong is not None:
            yield Finding(wrong[0], wrong[1], _first_tag(lines, node.lineno), hint=wrong[2])


def _wrong_with(node: nodes.Node) -> tuple[str, str, str] | None:
    """Code, message and hint for a node that templates may not have."""
    word = _FORBIDDEN.get(type(node))
    if word is not None or (isinstance(node, nodes.For) and node.recursive):
        return "not_allowed", f"{{% {word or 'for ... recursive'} %}} is not part of this format", ""
    if isinstance(node, (nodes.Filter, nodes.Test)):
        return _unknown_word(node)
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        return "not_allowed", f"the attribute {node.attr!r} is not given to templates", ""
    if _rebinds(node):
        return "not_allowed", "a name that templates already have cannot be given another meaning", ""
    if isinstance(node, (nodes.Const, nodes.TemplateData)) and not _is_unicode(node):
        return "bad_text", "a text holds half of a surrogate pair", ""
    return None


def _unknown_word(node: nodes.Filter | nodes.Test) -> tuple[str, str, str] | None:
    kind = "filter" if isinstance(node, nodes.Filter) else "test"
    known = ENVIRONMENT.filters if kind == "filter" else ENVIRONMENT.tests
    if node.name in known:
        return None
    return f"unknown_{kind}", f"there is no {kind} {node.name!r}", did_you_mean(node.name, known)


def _rebinds(node: nodes.Node) -> bool:
    name = node.name if isinstance(node, (nodes.Name, nodes.Macro)) else None
    return name in GLOBALS and not (isinstance(node, nodes.Name) and node.ctx == "load")


def _is_unicode(node: nodes.Const | nodes.TemplateData) -> bool:
    text = node.value if isinstance(node, nodes.Const) else node.data
    if not isinstance(text, str) or text.isascii():
        return True
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _unknown_names(tree: nodes.Template, known: frozenset[str]) -> list[nodes.Name]:
    """Every use of a variable that is not declared."""
    for word in tree.find_all((nodes.Filter, nodes.Test)):
        if isinstance(word, (nodes.Filter, nodes.Test)) and _unknown_word(word) is not None:
            word.name = "string"  # told already; Jinja would see no further
    unknown = meta.find_undeclared_variables(tree) - known - GLOBALS.keys()
    return [node for node in tree.find_all(nodes.Name) if node.name in unknown and node.ctx == "load"]


def _unknown_name(node: nodes.Name, known: frozenset[str], lines: tuple[str, ...]) -> Finding:
    hint = did_you_mean(node.name, known | GLOBALS.keys()) or "declare it under `variables:` with a default"
    if node.name == OF_EVENT:
        hint = "it is known in the tasks of `states`"
    if node.name in OF_ITEMS:
        hint = "it is known in a task with `foreach`, or in a loop of yours"
    column = max(0, lines[node.lineno - 1].find(node.name))
    mark = mark_of(node.lineno - 1, column)
    return Finding("unknown_variable", f"{node.name!r} is not a variable", mark, hint=hint)


def _only_put_out(tree: nodes.Template, names: list[nodes.Name]) -> bool:
    """Whether these stand alone in `{{ }}`, and none of their text comes back as a value."""
    put_out = {id(node) for output in tree.find_all(nodes.Output) for node in output.nodes}
    captured = tree.find(nodes.Macro) is not None or tree.find(nodes.AssignBlock) is not None
    return not captured and all(id(node) in put_out for node in names)


class _Counted(NodeTransformer):
    """Leads loops, `~`, comparisons, keys, `SHORT_UUID` and `now` through our own code, and writes line marks where asked."""

    def __init__(self, prefix: str | None) -> None:
        self._prefix = prefix

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - Jinja's naming
        self.generic_visit(node)
        node.iter = _through(node.iter, EACH_TURN, node.lineno)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            return node
        if name == "SHORT_UUID" and len(node.args) == 1:
            return _through(node.args[0], ID_OF, node.lineno)
        if name == "now" and not node.args:
            return _through(nodes.Const(None, lineno=node.lineno), NOW, node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        return _through(nodes.List(node.nodes, lineno=node.lineno), TILDE, node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        self.generic_visit(node)
        node.expr = _compared(node.expr)
        for operand in node.ops:
            operand.expr = _compared(operand.expr)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Pair:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.key, nodes.Const):
            node.key = _through(node.key, KEY, node.lineno)
        return node

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        if self._prefix is not None:
            node.data = f"{self._prefix}{node.lineno}{LINE_END}{node.data}"
        return node


def _compared(node: nodes.Expr) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else _through(node, COMPARED, node.lineno)


def _through(node: nodes.Node, name: str, line: int) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=line)


def _compile(tree: nodes.Template, prefix: str | None) -> jinja2.Template:
    counted = _Counted(prefix).visit(tree)
    code = ENVIRONMENT.compile(counted, None, _FILENAME)
    return jinja2.Template.from_code(ENVIRONMENT, code, _NAMES)


def prefix_absent_from(*texts: str) -> str:
    """The prefix of this process, or a new one if any text holds it: then nothing in the text can look like a token."""
    prefix = PREFIX
    while any(prefix in text for text in texts):
        prefix = new_prefix()
    return prefix
