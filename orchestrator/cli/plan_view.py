"""A plan as a tree: every task once, under the last of the tasks that it waits for."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

Json = Any


def plan_view(plan: Json) -> RenderableType:
    """Tree of the tasks, the critical path in bold, and the warnings below."""
    tasks = {task["key"]: task for task in plan["tasks"]}
    critical = set(plan["critical_path"])
    parents = _parents(plan["stages"], tasks)
    title = Text.assemble((plan["name"], "bold"), f"  {plan['total']} tasks, {len(plan['stages'])} stages")
    root = Tree(title, guide_style="dim")
    nodes: dict[str, Tree] = {}
    for stage in plan["stages"]:
        for key in stage:
            above = nodes[parents[key]] if key in parents else root
            nodes[key] = above.add(_label(tasks[key], critical))
    parts: list[RenderableType] = [root]
    parts.append(Text(f"critical path: {' -> '.join(plan['critical_path'])}", style="dim"))
    parts += [_warning(warning) for warning in plan["warnings"]]
    return Group(*parts)


def _parents(stages: Sequence[Sequence[str]], tasks: Mapping[str, Json]) -> dict[str, str]:
    """Task -> the one of its predecessors that comes last."""
    parents: dict[str, str] = {}
    for stage in stages:
        for key in stage:
            parents |= dict.fromkeys(tasks[key]["consumers"], key)
    return parents


def _label(task: Json, critical: set[str]) -> Text:
    label = Text(task["key"], style="bold" if task["key"] in critical else "")
    if not task["key"].startswith(task["name"]):  # CreateSlide.2 says it all
        label.append(f"  {task['name']}", style="default")
    label.append(f"  {task['service']}", style="cyan")
    if task["queue"] > 1:
        label.append(f"  waits for {task['queue']}", style="dim")
    return label


def _warning(warning: Json) -> Text:
    place = f"line {warning['line']}, column {warning['column']}: " if warning.get("line") else ""
    return Text(f"warning: {place}{warning['message']}", style="yellow")
