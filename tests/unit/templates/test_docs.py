"""The page for users says what is so."""

import re
from pathlib import Path

from orchestrator.templates.functions import METHODS
from orchestrator.templates.sandbox import ENVIRONMENT
from tests.unit.templates.build import build, edges
from tests.unit.templates.test_retry import DEFAULTS

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text("utf-8")
SOURCES = Path(__file__).parents[3] / "orchestrator" / "templates"


def test_the_examples_of_the_page_work() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    built = [build(example) for example in examples]
    assert not [warning for scenario in built for warning in scenario.warnings]
    natural, retrying, full = built[0], built[1], built[-1]
    assert retrying.tasks[0].policy == DEFAULTS | {
        "max_attempts": 4,
        "max_crashes": 3,
        "delay_ms": 5_000,
        "only": ["Timeout"],
        "never": ["NotFound"],
    }
    assert len(natural.tasks) == 9
    assert natural.tasks[-1].queue == 4
    assert edges(full) == {("CreateText", "CreateVoice")}


def test_the_page_lists_the_filters_and_methods_that_there_are() -> None:
    filters = re.search(r"Filters: `(.*?)`", PAGE, re.DOTALL)
    methods = re.search(r"Methods of texts: `(.*?)`", PAGE, re.DOTALL)
    assert filters and methods
    assert sorted(filters[1].split()) == sorted(name for name in ENVIRONMENT.filters if " " not in name)
    assert sorted(methods[1].split()) == sorted(METHODS[str])


def test_the_page_explains_every_code() -> None:
    sources = "".join(path.read_text("utf-8") for path in SOURCES.glob("*.py"))
    codes = set(
        re.findall(
            r"""(?:Finding|Refused|TemplateProblem|_add|_refuse|return)\(?\s*"([a-z]+_[a-z_]+|cycle)",""",
            sources,
        )
    )
    missing = {code for code in codes if f"`{code}`" not in PAGE}
    assert len(codes) > 30
    assert not missing
