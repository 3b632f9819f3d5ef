"""How much a template may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one generation. Lengths are characters unless the name says bytes."""

    max_tasks: int = 10_000
    max_edges: int | None = None
    """None: five for every allowed task."""
    max_template_bytes: int = 256 * 1024
    max_output: int = 16 * 1024 * 1024
    """Length of the rendered text, and of all values put into it."""
    max_depth: int = 64
    max_ticks: int = 2_000_000
    """Loop turns, calls and filters of one rendering."""
    max_seconds: float = 5.0
    """Wall clock of one generation, looked at on every tick and for every task."""
    max_text: int = 1024 * 1024
    """Length of one text made by an expression."""
    max_items: int = 100_000
    """Length of one list or range made by an expression."""
    max_memory: int = 64 * 1024 * 1024
    """Length of all texts and lists made by expressions together."""

    @property
    def edges(self) -> int:
        """The number of edges that holds."""
        return 5 * self.max_tasks if self.max_edges is None else self.max_edges
