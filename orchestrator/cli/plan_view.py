"""A plan as a tree: every task once, under the last of the tasks that it waits for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

Json = Any


def plan_view(plan: Json) -> RenderableType:
    """Tree of the tasks, the critical path in bold, and the warnings below; or of the states."""
    if plan.get("states"):
        return _states_view(plan)
    tasks = {task["key"]: task for task in plan["tasks"]}
    title = Text.assemble((plan["name"], "bold"), f"  {plan['total']} tasks, {len(plan['stages'])} stages")
    root = Tree(title, guide_style="dim")
    _add_tasks(root, plan["stages"], tasks, set(plan["critical_path"]))
    parts: list[RenderableType] = [root]
    parts.append(Text(f"critical path: {' -> '.join(plan['critical_path'])}", style="dim"))
    parts += [_warning(warning) for warning in plan["warnings"]]
    return Group(*parts)


def _states_view(plan: Json) -> RenderableType:
    tasks = {task["key"]: task for task in plan["tasks"]}
    title = Text.assemble((plan["name"], "bold"), f"  {len(plan['states'])} states, {plan['total']} tasks")
    root = Tree(title, guide_style="dim")
    for state in plan["states"]:
        label = Text(state["name"], style="bold cyan")
        if state["name"] == plan["initial"]:
            label.append("  begins here", style="dim")
        if state["end"]:
            label.append(f"  ends as {state['end']}", style="dim")
        node = root.add(label)
        _add_tasks(node, state["stages"], tasks, set(), f"{state['name']}/")
        for way, target in _ways(state):
            node.add(Text.assemble((way, "dim"), " -> ", (target, "cyan")))
    return Group(root, *(_warning(warning) for warning in plan["warnings"]))


def _ways(state: Json) -> Iterator[tuple[str, str]]:
    yield from ((f"on {event}", target) for event, target in state["on"].items())
    yield from ((way, state[way]) for way in ("then", "otherwise") if state[way])
    if state["after"]:
        yield f"after {_span(state['after']['delay_ms'])}", state["after"]["to"]


def _span(ms: int) -> str:
    """As templates write it."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms}ms"


def _add_tasks(
    root: Tree,
    stages: Sequence[Sequence[str]],
    tasks: Mapping[str, Json],
    critical: set[str],
    prefix: str = "",
) -> None:
    parents = _parents(stages, tasks)
    nodes: dict[str, Tree] = {}
    for stage in stages:
        for key in stage:
            above = nodes[parents[key]] if key in parents else root
            nodes[key] = above.add(_label(tasks[key], key.removeprefix(prefix), critical))


def _parents(stages: Sequence[Sequence[str]], tasks: Mapping[str, Json]) -> dict[str, str]:
    """Task -> the one of its predecessors that comes last."""
    parents: dict[str, str] = {}
    for stage in stages:
        for key in stage:
            parents |= dict.fromkeys(tasks[key]["consumers"], key)
    return parents


def _label(task: Json, key: str, critical: set[str]) -> Text:
    label = Text(key, style="bold" if task["key"] in critical else "")
    if not key.startswith(task["name"]):  # CreateSlide.2 says it all
        label.append(f"  {task['name']}", style="default")
    label.append(f"  {task['service']}", style="cyan")
    if task["queue"] > 1:
        label.append(f"  waits for {task['queue']}", style="dim")
    return label


def _warning(warning: Json) -> Text:
    place = f"line {warning['line']}, column {warning['column']}: " if warning.get("line") else ""
    return Text(f"warning: {place}{warning['message']}", style="yellow")
