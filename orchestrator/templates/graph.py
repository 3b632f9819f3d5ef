"""Edges of a scenario: what waits for what. Pure numbers; names only for messages."""

from collections.abc import Iterator


class TooManyEdges(Exception):
    """The graph passed its limit."""


class Graph:
    """Tasks 0..size-1 with edges `before -> after`, each once."""

    def __init__(self, size: int, max_edges: int) -> None:
        self.after: list[dict[int, None]] = [{} for _ in range(size)]
        self.indegree = [0] * size
        self._room = max_edges

    def add(self, before: int, afters: list[int]) -> None:
        """Let every one of `afters` wait for `before`. Raises TooManyEdges."""
        row, indegree = self.after[before], self.indegree
        known = len(row)
        for after in afters:
            if after not in row:
                row[after] = None
                indegree[after] += 1
        self._room -= len(row) - known
        if self._room < 0:
            raise TooManyEdges

    def heights(self) -> tuple[list[int], list[int]]:
        """Longest way from each task to an end, 0 for an end; and the tasks that stand on or before no cycle.

        Height is -1 for tasks that a cycle keeps from ever being reached.
        """
        waiting = self.indegree.copy()
        order = [task for task, degree in enumerate(waiting) if degree == 0]
        for task in order:
            for after in self.after[task]:
                waiting[after] -= 1
                if waiting[after] == 0:
                    order.append(after)
        heights = [-1] * len(waiting)
        for task in reversed(order):
            heights[task] = 1 + max((heights[after] for after in self.after[task]), default=-1)
        return heights, order

    def cycles(self, order: list[int], most: int = 10) -> Iterator[list[int]]:
        """Some cycles among the tasks that `order` does not reach, each as its tasks in order; no task twice."""
        left = set(range(len(self.after))) - set(order)
        while left and most:
            self._trim(left)
            if not left:
                return
            cycle = self._walk(left)
            left -= set(cycle)
            most -= 1
            yield cycle

    def _trim(self, left: set[int]) -> None:
        """Drop the tasks with no way onward inside `left`, until all have one."""
        onward = {task: sum(after in left for after in self.after[task]) for task in left}
        before: dict[int, list[int]] = {task: [] for task in left}
        for task in left:
            for after in self.after[task]:
                if after in left:
                    before[after].append(task)
        ends = [task for task, ways in onward.items() if ways == 0]
        for task in ends:
            left.discard(task)
            for earlier in before[task]:
                onward[earlier] -= 1
                if onward[earlier] == 0:
                    ends.append(earlier)

    def _walk(self, left: set[int]) -> list[int]:
        """Follow the edges inside `left` until a task comes again."""
        task = min(left)
        seen: dict[int, int] = {}
        path: list[int] = []
        while task not in seen:
            seen[task] = len(path)
            path.append(task)
            task = next(after for after in self.after[task] if after in left)
        return path[seen[task] :]
