"""Any graph, said in any way: the in-degree, the order and the cycles are right."""

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.templates import TemplateError
from tests.unit.templates.build import build, edges, task, tasks

EDGES = st.sets(
    st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] != pair[1]), max_size=16
)


def text_of(size: int, said: dict[tuple[int, int], str]) -> str:
    """Each edge is said by its consumer, its need, a reference, or all of them."""
    items = []
    for node in range(size):
        consumers = [
            f"T{after}"
            for (before, after), how in said.items()
            if before == node and how in ("consumers", "all")
        ]
        needs = [
            f"T{before}" for (before, after), how in said.items() if after == node and how in ("needs", "all")
        ]
        parts = [
            f"T{before}" for (before, after), how in said.items() if after == node and how in ("ids", "all")
        ]
        items.append(
            task(
                f"T{node}",
                consumers=f"[{', '.join(consumers)}]",
                needs=f"[{', '.join(needs)}]",
                part_ids=f"[{', '.join(parts)}]",
            )
        )
    return tasks(*items)


def reach(graph: set[tuple[int, int]], start: int) -> set[int]:
    found, todo = set[int](), [start]
    while todo:
        node = todo.pop()
        todo += [after for before, after in graph if before == node and after not in found]
        found |= {after for before, after in graph if before == node}
    return found


@settings(max_examples=100, deadline=None)
@given(graph=EDGES, data=st.data())
def test_every_graph_is_either_built_right_or_refused_for_its_cycle(
    graph: set[tuple[int, int]], data: st.DataObject
) -> None:
    said = {edge: data.draw(st.sampled_from(["consumers", "needs", "ids", "all"])) for edge in sorted(graph)}
    cyclic = any(node in reach(graph, node) for node in range(8))
    try:
        scenario = build(text_of(8, said))
    except TemplateError as error:
        assert cyclic
        assert {problem.code for problem in error.problems} == {"cycle"}
        return
    assert not cyclic
    assert edges(scenario) == {(f"T{before}", f"T{after}") for before, after in graph}
    assert [item.queue for item in scenario.tasks] == [
        sum(after == node for _, after in graph) for node in range(8)
    ]
    place = {scenario.tasks[position].key: order for order, position in enumerate(scenario.write_order)}
    assert all(place[after] < place[before] for before, after in edges(scenario))


def test_height_above_the_ends_then_document_order_decides_what_is_written_first() -> None:
    scenario = build(
        tasks(task("A"), task("B", needs="A"), task("C", needs="B"), task("D", needs="A"), task("E"))
    )
    assert [scenario.tasks[position].key for position in scenario.write_order] == ["C", "D", "E", "B", "A"]


def test_a_long_chain_is_no_problem() -> None:
    scenario = build(tasks(task("T0"), *(task(f"T{i}", needs=f"T{i - 1}") for i in range(1, 2_000))))
    assert [item.queue for item in scenario.tasks] == [0] + [1] * 1_999
    assert scenario.write_order == list(range(1_999, -1, -1))
