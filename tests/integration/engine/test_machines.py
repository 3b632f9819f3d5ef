"""Scenarios with states: events, tasks of a state, the clock, refusals, ends."""

from orchestrator.store.gates import GateStore
from orchestrator.store.machine_records import KEPT, Refusal
from orchestrator.store.records import Cause, Owner
from tests.support.machines import Desk
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import Status

DAY_MS = 86_400_000
CAUSE = Cause()


async def test_an_order_goes_through_its_states(link: RedisLink) -> None:
    desk = await Desk(link).open()
    assert (await desk.record()).state == "new"

    paid = await desk.send("pay", data={"amount": 5}, by="ann")
    assert (paid.refusal, paid.state, paid.allowed) == (None, "paid", ["cancel"])
    pack = await desk.one()
    assert (pack.name, pack.fields) == ("Pack", {"prompt": "book"})
    await desk.succeed(pack)
    ship = await desk.one()
    assert ship.fields == {"pack_task_id": pack.task_id}
    await desk.succeed(ship)
    assert (await desk.record()).state == "shipped"

    await desk.passed(7 * DAY_MS - 1)
    assert (await desk.record()).state == "shipped"
    await desk.passed(1)

    record = await desk.record()
    assert (record.status, record.state, record.error) == (Status.SUCCESS, "closed", None)
    assert await desk.way() == [
        ("start", "new"), ("pay", "paid"), ("then", "shipped"), ("after", "closed")
    ]  # fmt: skip
    assert await desk.statuses() == [("paid", "success"), ("Pack", "success"), ("Ship", "success")]
    machine = await desk.store.task(desk.machine_id)
    assert machine and (machine.status, machine.result) == (Status.SUCCESS, {"state": "closed"})


async def test_what_a_state_does_not_allow_is_refused_with_what_it_does(link: RedisLink) -> None:
    desk = await Desk(link).open()

    refused = await desk.send("return")

    assert refused.refusal is Refusal.NOT_ALLOWED
    assert (refused.state, refused.allowed) == ("new", ["cancel", "pay"])
    assert await desk.way() == [("start", "new")]


async def test_an_event_while_tasks_run_ends_them_and_the_next_state_knows_of_it(link: RedisLink) -> None:
    desk = await Desk(link).open()
    await desk.send("pay")
    pack = await desk.one()

    await desk.send("cancel", data={"amount": 12.5}, by="ann")

    assert await desk.statuses() == [
        ("paid", "cancelled"), ("Pack", "cancelled"), ("Ship", "cancelled"), ("refund", "pending"), ("Refund", "pending")
    ]  # fmt: skip
    told = await link.execute("XRANGE", desk.at.cancellations, "-", "+")
    assert pack.task_id in str(told)
    refund = await desk.one("bank")
    assert refund.fields == {"prompt": "ann", "params": {"amount": 12.5}}
    await desk.succeed(pack)  # too late
    assert (await desk.record()).state == "refund"
    await desk.succeed(refund)
    record = await desk.record()
    assert (record.status, record.state) == (Status.FAILED, "cancelled")
    assert record.error == {"type": "task_failed", "message": "a task failed", "task_id": desk.machine_id}
    machine = await desk.store.task(desk.machine_id)
    assert machine and machine.error["type"] == "failed_state"


async def test_a_state_may_be_entered_again(link: RedisLink) -> None:
    desk = await Desk(link).open()
    await desk.send("pay")
    first = [await desk.one()]
    await desk.succeed(first[0])
    first.append(await desk.one())
    await desk.succeed(first[1])
    assert (await desk.send("resend")).state == "paid"

    second = [await desk.one()]
    await desk.succeed(second[0])
    second.append(await desk.one())

    assert [entry.name for entry in second] == ["Pack", "Ship"]
    assert not {entry.task_id for entry in first} & {entry.task_id for entry in second}
    assert second[1].fields == {"pack_task_id": second[0].task_id}
    visits = [task.fields["visit"] for task in await desk.tasks() if task.name == "paid"]
    assert visits == [2, 4]
    await desk.succeed(second[1])
    await desk.passed(7 * DAY_MS)
    assert (await desk.record()).status is Status.SUCCESS


async def test_the_clock_of_a_state_starts_anew_with_each_visit(link: RedisLink) -> None:
    desk = await Desk(link, LOOP).open()
    await desk.passed(DAY_MS - 1)
    await desk.send("again")
    await desk.passed(DAY_MS - 1)
    assert (await desk.record()).state == "waits"
    await desk.passed(1)
    assert (await desk.record()).status is Status.CANCELLED


LOOP = """
states:
  waits:
    on: {again: waits}
    after: {1d: over}
  over: {end: cancelled}
"""


async def test_a_failed_task_leads_otherwise(link: RedisLink) -> None:
    desk = await Desk(link, FALLING).open()
    good, bad = await desk.take()
    await desk.fail(bad)
    assert (await desk.record()).state == "tries", "one still runs"
    await desk.succeed(good)

    (help_,) = await desk.take("help")
    assert help_.fields == {"prompt": "B failed", "why": bad.task_id}
    await desk.succeed(help_)
    record = await desk.record()
    assert (record.status, record.error) == (Status.SUCCESS, None)
    assert await desk.way() == [("start", "tries"), ("otherwise", "mends"), ("then", "done")]
    assert await desk.statuses() == [
        ("tries", "failed"), ("A", "success"), ("B", "failed"), ("mends", "success"), ("Mend", "success")
    ]  # fmt: skip


FALLING = """
states:
  tries:
    tasks:
      - {name: A, service: shop}
      - {name: B, service: shop}
    then: done
    otherwise: mends
  mends:
    tasks:
      - {name: Mend, service: help, prompt: "{{ event.data.task }} {{ event.data.status }}", why: {{ event.data.task_id }}}
    then: done
  done: {end: success}
"""


async def test_without_another_way_a_failed_task_fails_the_scenario(link: RedisLink) -> None:
    desk = await Desk(link, FALLING.replace("    otherwise: mends\n", "    on: {help: mends}\n")).open()
    good, bad = await desk.take()
    await desk.fail(bad)
    await desk.succeed(good)

    record = await desk.record()
    assert (record.status, record.state) == (Status.FAILED, "tries")
    machine = await desk.store.task(desk.machine_id)
    assert machine and machine.error["task_id"] == bad.task_id
    assert (await desk.send("help")).refusal is Refusal.ENDED
    last = (await desk.machines.history(desk.id))[-1]
    assert (last["event"], last["from"], last["to"], last["end"]) == ("otherwise", "tries", "tries", "failed")


async def test_a_failure_that_the_state_provides_for_is_none(link: RedisLink) -> None:
    desk = await Desk(link, PROVIDED).open()
    optional, one_of, two_of = await desk.take()
    await desk.fail(optional)
    await desk.fail(one_of)
    await desk.succeed(two_of)
    await desk.succeed(await desk.one())

    assert (await desk.record()).status is Status.SUCCESS
    assert ("When", "skipped") in await desk.statuses()


PROVIDED = """
states:
  tries:
    tasks:
      - {name: Optional, service: shop, optional: true}
      - {name: One, service: shop}
      - {name: Two, service: shop}
      - {name: Any, service: shop, needs: [One, Two], join: any_success}
      - {name: When, service: shop, needs: [Any], when: "event.name == 'never'"}
    then: done
  done: {end: success}
"""


async def test_a_task_that_somebody_cancels_did_not_succeed(link: RedisLink) -> None:
    desk = await Desk(link, FALLING).open()
    good, other = await desk.take()
    await desk.succeed(good)

    await desk.store.cancel_task(other.task_id, CAUSE)
    await desk.settle()

    assert (await desk.record()).state == "mends"


async def test_what_was_cancelled_on_the_way_does_not_spoil_the_end(link: RedisLink) -> None:
    desk = await Desk(link, FALLING.replace("otherwise: mends", "on: {leave: done}")).open()

    await desk.send("leave")

    record = await desk.record()
    assert record.status is Status.SUCCESS
    assert record.counts[Status.CANCELLED] == 3


async def test_an_event_with_an_id_is_taken_once(link: RedisLink) -> None:
    desk = await Desk(link).open()

    first = await desk.send("pay", id="e1", data={"n": 1})
    again = await desk.send("pay", id="e1", data={"n": 1})
    other = await desk.send("cancel", id="e1")

    assert (first.refusal, first.repeated) == (None, False)
    assert (again.refusal, again.repeated, again.state) == (None, True, "paid")
    assert other.refusal is Refusal.CONFLICT
    history = await desk.machines.history(desk.id)
    assert [(one["event"], one.get("event_id")) for one in history] == [("start", None), ("pay", "e1")]
    assert history[1]["data"] == {"n": 1}


async def test_the_history_is_bounded_and_so_is_what_is_known_of_ids(link: RedisLink) -> None:
    desk = await Desk(link, LOOP).open()
    for number in range(KEPT + 5):
        await desk.send("again", id=f"e{number}", settle=False)
    await desk.settle()

    history = await desk.machines.history(desk.id)
    assert len(history) == KEPT
    assert history[0]["event_id"] == "e5"
    names = await link.execute("HKEYS", desk.at.machine(desk.id))
    assert sum(name.startswith(b"event:") for name in names) == KEPT


async def test_nothing_moves_before_the_start_and_after_the_end(link: RedisLink) -> None:
    desk = Desk(link)
    await desk.store.agree(sets_lease=True)
    await desk.store.submit(desk.scenario)
    assert (await desk.send("pay", settle=False)).refusal is Refusal.NOT_STARTED
    await desk.open()
    await desk.send("cancel")
    assert (await desk.record()).status is Status.FAILED

    assert (await desk.send("pay")).refusal is Refusal.ENDED
    assert (await desk.send("pay")).allowed == []


async def test_conditions_and_lists_may_come_with_the_event(link: RedisLink) -> None:
    desk = await Desk(link, LISTS).open()
    await desk.send("go", data={"items": ["a", "b"], "big": False})
    each = await desk.take()

    assert [entry.fields["prompt"] for entry in each] == ["a by go", "b by go"]
    assert ("Big", "skipped") in await desk.statuses()
    for entry in each:
        await desk.succeed(entry)
    assert (await desk.record()).status is Status.SUCCESS


LISTS = """
states:
  idle: {on: {go: works}}
  works:
    tasks:
      - {name: Each, service: shop, foreach: {{ event.data.items }}, prompt: "{{ item }} by {{ event.name }}"}
      - {name: Big, service: shop, when: "event.data.big"}
    then: done
    on: {stop: done}
  done: {end: success}
"""


async def test_tasks_that_were_added_to_those_of_a_state_end_with_it(link: RedisLink) -> None:
    desk = await Desk(link, LISTS).open()
    await desk.send("go", data={"items": list(range(5)), "big": True})
    assert len(await desk.take()) == 6

    await desk.send("stop")

    assert {status for _, status in await desk.statuses()} == {"cancelled"}
    assert (await desk.record()).status is Status.SUCCESS


async def test_an_event_that_a_task_lacks_fails_that_task(link: RedisLink) -> None:
    desk = await Desk(link, LISTS).open()
    await desk.send("go")
    for entry in await desk.take():
        await desk.succeed(entry)

    each = next(task for task in await desk.tasks() if task.name == "Each")
    assert each.error["message"] == "event.data.items is not there"
    assert (await desk.record()).status is Status.FAILED


async def test_a_gate_in_a_state_closes_with_it(link: RedisLink) -> None:
    desk = await Desk(link, GATED).open()
    gate = next(task for task in await desk.tasks() if task.name == "Approve")
    assert gate.status is Status.PROCESSING

    await desk.send("skip")

    assert (await desk.record()).status is Status.SUCCESS
    found = await GateStore(desk.store).gate(gate.id)
    assert found and not found.is_open


GATED = """
states:
  draft:
    tasks:
      - {name: Approve, gate: {title: Fine?, deadline: 1d}}
    then: done
    on: {skip: done}
  done: {end: success}
"""


async def test_tasks_of_a_state_share_the_services_as_their_owner_may(link: RedisLink) -> None:
    desk = await Desk(link, FALLING, owner=Owner(tenant="acme", priority=1)).open()

    rules = {task.name: task.rules.get("flow") for task in await desk.tasks()}

    assert rules == {
        "tries": None,
        "A": {"tenant": "acme", "priority": 1},
        "B": {"tenant": "acme", "priority": 1},
    }
