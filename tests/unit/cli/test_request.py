"""What is typed becomes what is meant."""

import pytest

from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.request import body_of, variable_of


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("N=3", 3),
        ("N=-1.5", -1.5),
        ("N=true", True),
        ('N="3"', "3"),
        ("N=cats and dogs", "cats and dogs"),
        ("N=", ""),
        ("N=a=b", "a=b"),
        ('N={"a": [1]}', {"a": [1]}),
        ("N=NaN", "NaN"),
        ("N={{ 7*7 }}", "{{ 7*7 }}"),
    ],
)
def test_a_variable_is_json_where_it_is_json_and_text_elsewhere(typed: str, value: object) -> None:
    assert variable_of(typed) == ("N", value)


@pytest.mark.parametrize("typed", ["N", "=3", ""])
def test_a_variable_without_name_or_value_is_wrong_usage(typed: str) -> None:
    with pytest.raises(CommandError, match="NAME=VALUE") as raised:
        variable_of(typed)
    assert raised.value.code == Exit.USAGE


def test_what_was_not_given_is_not_sent() -> None:
    assert body_of("CreateVideo", "", None, ()) == {"scenario": "CreateVideo"}
    assert body_of("CreateVideo", "cats", 4, ["A=1"]) == {
        "scenario": "CreateVideo",
        "description": "cats",
        "slides_count": 4,
        "variables": {"A": 1},
    }
