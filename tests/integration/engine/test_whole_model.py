"""Any mixture of all that a scenario may say and of all that may happen to it, on a whole system by hand.

The suite runs the same few examples every time. To search longer, with other examples each time:

    WHOLE_EXAMPLES=5000 pytest -o faulthandler_timeout=0 tests/integration/engine/test_whole_model.py --hypothesis-seed=7

An example that fails is shrunk and shown with its template and its steps.
"""

import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestrator.templates import Registry, load_template
from tests.support.whole_end import check_end, check_purged, finish
from tests.support.whole_templates import INNER, templates
from tests.support.whole_world import WORDS, World
from workers_sdk.protocol.link import RedisLink

EXAMPLES: Final = int(os.environ.get("WHOLE_EXAMPLES", "0"))
STEP: Final = st.tuples(st.sampled_from(WORDS), st.integers(0, 63))
STEPS: Final = st.integers(0, 80).flatmap(lambda n: st.lists(STEP, min_size=n, max_size=n))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Templates that tasks may run as scenarios."""
    for name, text in INNER.items():
        (tmp_path / f"{name}.yml").write_text(text)
    return Registry([tmp_path])


@settings(
    max_examples=EXAMPLES or 45,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(
    template=templates(),
    steps=STEPS,
    chunk=st.sampled_from((1, 2, 64)),
    partitions=st.sampled_from((1, 1, 2)),
)
async def test_whatever_happens_all_ends_as_the_rules_say(
    link: RedisLink,
    registry: Registry,
    template: str,
    steps: list[tuple[str, int]],
    chunk: int,
    partitions: int,
) -> None:
    known = load_template(template)
    world = World(link=link, template=known, registry=registry, chunk=chunk, partitions=partitions)
    await world.open()
    for word, n in steps:
        await world.step(word, n)

    await finish(world)
    await check_end(world)
    await check_purged(world)
