"""Any mixture of requests that the OpenAPI document allows, and of some that it does not: every answer is as it says.

The suite sends the same few every time. To search longer, with others each time:

    SWEEP_EXAMPLES=500 pytest -o faulthandler_timeout=0 tests/integration/api/test_sweep.py --hypothesis-seed=7

A request follows from its number and from what was told before. By hand, an example that fails is shrunk to the requests that it takes.
"""

import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.sweep import System

EXAMPLES: Final = int(os.environ.get("SWEEP_EXAMPLES", "0"))
NUMBERS: Final = st.integers(0, 300).flatmap(
    lambda n: st.lists(st.integers(0, 2**32), min_size=n, max_size=n)
)


@pytest.fixture
def system(redis_url: str, tmp_path: Path) -> System:
    return System(redis_url, tmp_path)


@settings(
    max_examples=EXAMPLES or 5,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=[Phase.generate, *([Phase.shrink] if EXAMPLES else [])],  # which takes minutes
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(numbers=NUMBERS)
async def test_every_answer_is_as_the_document_says_and_nothing_is_left(
    system: System, numbers: list[int]
) -> None:
    async with system.at_work() as sweep:
        await sweep.begin()
        for number in numbers:
            await sweep.step(number)

        await sweep.finish()
        await sweep.check_end()
