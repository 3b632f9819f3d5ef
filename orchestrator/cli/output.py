"""Results go to stdout, all else to stderr."""

import json
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

WIDTH_OF_PIPES: Final = 200


def show(value: Any, view: RenderableType, output: str) -> None:
    """Print a result: `view` for people, `value` as JSON for programs."""
    if output == "json":
        Console().out(json.dumps(value, ensure_ascii=False, indent=2), highlight=False)
        return
    console = Console()
    if not console.is_terminal:  # nobody's window: cut nothing off
        console.width = WIDTH_OF_PIPES
    console.print(view, soft_wrap=isinstance(view, Text))


def show_page(page: Any, view: RenderableType, output: str) -> None:
    """Print a page of a list, and for people how to go on after it."""
    show(page, view, output)
    if page["next_cursor"] and output == "text":
        Console().print(Text(f"more: --cursor {page['next_cursor']}", style="dim"), soft_wrap=True)
