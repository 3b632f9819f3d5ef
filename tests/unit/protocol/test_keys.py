"""Ids, partitions and key names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers_sdk.protocol.keys import Partitions, is_id, is_service, scenario_id_from, short_uuid, slot_of


@given(st.binary(min_size=10, max_size=32), st.text())
def test_all_ids_of_a_scenario_stand_in_its_slot(seed: bytes, name: str) -> None:
    scenario_id = scenario_id_from(seed)
    task_id = short_uuid(scenario_id, name)

    assert is_id(scenario_id) and is_id(task_id)
    assert slot_of(task_id) == slot_of(scenario_id)
    assert task_id == short_uuid(scenario_id, name)


def test_the_same_name_in_two_scenarios_gives_two_ids() -> None:
    a, b = scenario_id_from(b"a" * 16), scenario_id_from(b"b" * 16)

    assert short_uuid(a, "CreateText")[2:] != short_uuid(b, "CreateText")[2:]


def test_a_hundred_thousand_names_give_a_hundred_thousand_ids() -> None:
    scenario_id = scenario_id_from(b"some random bytes")

    assert len({short_uuid(scenario_id, f"CreateSlide.{i}") for i in range(100_000)}) == 100_000


def test_one_partition_has_the_documented_names() -> None:
    at = Partitions(1).of("0" * 16)

    assert (at.scenarios, at.task("x"), at.queue("text-service")) == (
        "scenarios",
        "task:x",
        "queue:text-service",
    )


@pytest.mark.parametrize("count", [2, 3, 7, 1024])
def test_every_slot_belongs_to_one_partition_and_every_partition_has_slots(count: int) -> None:
    partitions = Partitions(count)
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    used = {partitions.of(a + b + "0" * 14).index for a in alphabet for b in alphabet}

    assert used == set(range(count))
    assert partitions[1].task("x") == "{p1}:task:x"


@pytest.mark.parametrize("count", [0, -1, 1025])
def test_an_impossible_number_of_partitions_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="must be 1"):
        Partitions(count)


@pytest.mark.parametrize("name", ["", "A", "a}b", "a:b", "{a", "a b", "-a", "a" * 65, "a\n", "ы"])
def test_names_that_would_forge_keys_are_no_services(name: str) -> None:
    assert not is_service(name)
