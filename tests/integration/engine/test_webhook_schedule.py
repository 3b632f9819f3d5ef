"""What becomes of deliveries over days, under a virtual clock: pauses, giving up, disabling, rotation, redrive."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from orchestrator.egress import Egress
from orchestrator.engine.courier import Courier
from orchestrator.engine.loop import Seams
from orchestrator.engine.post import Answer
from orchestrator.engine.sender import SCHEDULE_S, Sender, Sending, judge
from orchestrator.signing import new_secret
from orchestrator.store.deliveries import DeliveryRecord, Event
from orchestrator.store.endpoint_standing import Standing, standings
from orchestrator.store.endpoints import MAX_ENDPOINTS, Endpoint, Secret, TooManyEndpoints
from orchestrator.store.store import Policy, Store
from tests.support.receiver import Receiver, receiving
from tests.support.scripts import CLOCK, virtual_scripts
from workers_sdk.protocol.keys import Partitions, scenario_id_from, short_uuid
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.seams import SystemRandomness

DAY_MS = 86_400_000
EVENT = scenario_id_from(b"event")
EVENTS = ("0" * 16, "z" * 16)
"""Of the first and of the last partition."""


class Middle(SystemRandomness):
    """Jitter that changes nothing."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


class Desk:
    """One endpoint, one partition, and time in the hand of the test."""

    def __init__(self, link: RedisLink, receiver: Receiver, partitions: int = 1, event: str = EVENT) -> None:
        self.link = link
        self.event = event
        self.receiver = receiver
        self.store = Store(link, Partitions(partitions), scripts=virtual_scripts())
        self.at = self.store.partitions.of(event)
        seams = Seams(link, randomness=Middle())
        sending = Sending(egress=Egress(allow_http=True, allow_private=True), timeout_s=5.0)
        self.sender = Sender(self.store, seams, sending)
        self.courier = Courier(self.sender, seams, self.at, asyncio.Event())
        self.endpoints, self.deliveries = self.sender.endpoints, self.sender.deliveries
        self.secret = new_secret()
        self.now = 0

    async def open(self) -> "Desk":
        self.now = await self.endpoints.now_ms()
        await self.passed(0)
        new = Endpoint(scenario_id_from(b"endpoint"), self.receiver.url, [Secret(self.secret)])
        self.endpoint = await self.endpoints.get(new.id) or await self.endpoints.add(new)
        return self

    async def announce(self, number: int = 0) -> str:
        """A new delivery; empty when it was dropped."""
        event = Event(
            "scenario.failed", short_uuid(self.event, str(number)), b'{"n":%d}' % number, self.event
        )
        made = await self.deliveries.announce(self.at, event, [self.endpoint.id])
        return made.get(self.endpoint.id, "")

    async def passed(self, ms: int) -> None:
        """Let time pass."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)

    async def sent(self) -> int:
        """Send what is due; returns how many requests came."""
        before = len(self.receiver.requests)
        await self.courier.round()
        await self.sender.idle()
        return len(self.receiver.requests) - before

    async def due_in_ms(self, delivery_id: str) -> int | None:
        score = await self.link.execute("ZSCORE", self.at.waiting_deliveries(self.endpoint.id), delivery_id)
        return None if score is None else int(float(score)) - self.now

    async def record(self, delivery_id: str) -> DeliveryRecord:
        found = await self.deliveries.get(delivery_id)
        assert found is not None
        return found

    async def standing(self) -> Standing:
        return (await standings(self.store, [self.endpoint.id]))[self.endpoint.id]

    async def known(self) -> Endpoint:
        found = await self.endpoints.get(self.endpoint.id)
        assert found is not None
        return found


@pytest_asyncio.fixture
async def desk(link: RedisLink) -> AsyncIterator[Desk]:
    async with receiving() as receiver:
        yield await Desk(link, receiver).open()


async def test_a_delivery_is_tried_ten_times_within_76_hours_and_then_given_up(desk: Desk) -> None:
    desk.receiver.answers = [500] * 10
    delivery_id = await desk.announce()

    for pause_s in SCHEDULE_S:
        assert await desk.sent() == 1
        assert await desk.due_in_ms(delivery_id) == pause_s * 1_000
        await desk.passed(pause_s * 1_000 - 1)
        assert await desk.sent() == 0
        await desk.passed(1)
    assert await desk.sent() == 1

    record = await desk.record(delivery_id)
    assert (record.status, record.attempts, await desk.due_in_ms(delivery_id)) == ("failed", 10, None)
    assert [one["status"] for one in record.history] == [500] * 10
    assert {request.id for request in desk.receiver.requests} == {delivery_id}
    stamps = [int(request.headers["webhook-timestamp"]) for request in desk.receiver.requests]
    assert stamps[-1] - stamps[0] == sum(SCHEDULE_S)
    assert (await desk.known()).enabled


async def test_a_later_attempt_ends_it(desk: Desk) -> None:
    desk.receiver.answers = [503, 302, 200]
    delivery_id = await desk.announce()
    for pause_s in (0, *SCHEDULE_S[:2]):
        await desk.passed(pause_s * 1_000)
        await desk.sent()

    record = await desk.record(delivery_id)
    assert (record.status, [one["status"] for one in record.history]) == ("success", [503, 302, 200])
    assert (await desk.standing()).failing_ms == 0


async def test_an_endpoint_may_ask_for_a_longer_pause_but_not_for_more_than_a_day(desk: Desk) -> None:
    delivery_id = await desk.announce()
    for said, pause_ms in (("600", 600_000), ("1", 300_000), ("999999", DAY_MS), ("tomorrow", 7_200_000)):
        desk.receiver.answers = [f"429 Slow\r\nretry-after: {said}"]
        assert await desk.sent() == 1
        assert await desk.due_in_ms(delivery_id) == pause_ms
        await desk.passed(pause_ms)


async def test_gone_disables_the_endpoint_and_what_waits_goes_on_when_it_is_enabled(desk: Desk) -> None:
    gone = await desk.announce(1)
    desk.receiver.answers = [410]
    await desk.sent()
    waiting = await desk.announce(2)
    assert await desk.sent() == 0

    known = await desk.known()
    assert (known.enabled, known.reason) == (False, "The endpoint answered 410 Gone.")
    assert (await desk.record(gone)).status == "failed"

    await desk.endpoints.change(known.id, lambda one: replace(one, enabled=True, reason=""))
    assert await desk.sent() == 1
    assert (await desk.record(waiting)).status == "success"


async def test_an_endpoint_that_fails_for_five_days_is_disabled(desk: Desk) -> None:
    desk.receiver.answers = [500] * 100
    await desk.announce(1)
    await desk.sent()
    await desk.passed(5 * DAY_MS)
    await desk.sent()
    assert (await desk.known()).enabled
    await desk.announce(2)
    await desk.passed(1)
    await desk.sent()

    known = await desk.known()
    assert (known.enabled, known.reason) == (False, "All attempts of the last 5 days failed.")

    await desk.endpoints.change(known.id, lambda one: replace(one, enabled=True, reason=""))
    await desk.announce(3)
    await desk.sent()
    assert (await desk.known()).enabled  # enabling it was a new start


async def test_it_is_not_disabled_while_another_partition_reaches_it(link: RedisLink) -> None:
    async with receiving() as receiver:
        here, there = [await Desk(link, receiver, partitions=2, event=one).open() for one in EVENTS]
        receiver.answers = [500]
        began = here.now = there.now
        await here.announce(1)
        await here.sent()
        assert (await here.standing()).failing_ms == began
        await there.passed(4 * DAY_MS)
        await there.announce(2)
        assert await there.sent() == 1
        assert (await there.standing()).failing_ms == 0

        receiver.answers = [500] * 9
        here.now = there.now
        for days in (2, 3, 1):
            await here.passed(days * DAY_MS)
            await here.sent()
            since = there.now if days > 1 else 0
            assert (await here.known()).enabled is (days > 1)
            assert not since or (await here.standing()).failing_ms == since


async def test_what_comes_while_too_many_wait_is_dropped_and_counted(desk: Desk) -> None:
    desk.store.policy = Policy(max_deliveries=2)
    desk.receiver.answers = [500] * 2
    waiting = [await desk.announce(1), await desk.announce(2)]
    await desk.sent()

    assert [await desk.announce(3), await desk.announce(4)] == ["", ""]
    dropped_ms = desk.now
    await desk.passed(SCHEDULE_S[0] * 1_000)

    assert [one.id for one in (await desk.deliveries.page(desk.endpoint.id)).items] == waiting[::-1]
    standing = await desk.standing()
    assert (standing.waiting, standing.dropped, standing.dropped_ms) == (2, 2, dropped_ms)

    assert await desk.sent() == 2
    assert await desk.announce(5) != ""
    assert (await desk.standing()).waiting == 1
    assert (await desk.standing()).dropped == 2  # for as long as there is the endpoint
    await desk.endpoints.remove(desk.endpoint.id)
    assert not await desk.link.execute("EXISTS", desk.at.webhooks_failing)


async def test_both_secrets_sign_until_the_grace_of_the_old_one_is_over(desk: Desk) -> None:
    rotated = await desk.endpoints.rotate(desk.endpoint.id, "", grace_ms=DAY_MS)
    assert rotated and rotated.secrets[0].text != desk.secret
    new = rotated.secrets[0].text
    await desk.announce(1)
    await desk.sent()
    await desk.passed(DAY_MS + 60_000)
    await desk.announce(2)
    await desk.sent()

    during, after = desk.receiver.requests
    assert during.verified_by(new) == during.verified_by(desk.secret) == {"n": 1}
    assert len(during.headers["webhook-signature"].split(" ")) == 2
    assert len(after.headers["webhook-signature"].split(" ")) == 1


async def test_a_third_secret_leaves_the_others_their_time_unless_there_is_no_grace(desk: Desk) -> None:
    second = await desk.endpoints.rotate(desk.endpoint.id, "", grace_ms=DAY_MS)
    third = await desk.endpoints.rotate(desk.endpoint.id, "", grace_ms=DAY_MS)
    assert second and third
    again = await desk.endpoints.rotate(desk.endpoint.id, third.secrets[0].text, grace_ms=DAY_MS)
    now = await desk.endpoints.now_ms()

    assert again == third
    assert third.keys(now) == [third.secrets[0].text, second.secrets[0].text, desk.secret]
    last = await desk.endpoints.rotate(desk.endpoint.id, "", grace_ms=0)
    assert last and last.keys(now) == [last.secrets[0].text]


async def test_a_delivery_that_was_given_up_begins_anew_under_its_id(desk: Desk) -> None:
    desk.receiver.answers = [410]
    delivery_id = await desk.announce()
    await desk.sent()
    await desk.endpoints.change(desk.endpoint.id, lambda one: replace(one, enabled=True))
    desk.receiver.answers = [500]

    assert await desk.deliveries.redrive(desk.endpoint.id, [delivery_id]) == ["OK"]
    await desk.sent()

    assert await desk.due_in_ms(delivery_id) == SCHEDULE_S[0] * 1_000
    record = await desk.record(delivery_id)
    assert (record.status, record.attempts, record.finished_at) == ("pending", 2, "")
    assert {request.id for request in desk.receiver.requests} == {delivery_id}


async def test_only_deliveries_of_the_endpoint_that_nobody_sends_just_now_are_redriven(desk: Desk) -> None:
    delivery_id = await desk.announce()
    held = await desk.deliveries.take(desk.at, [(desk.endpoint.id, 1)], total=1, hold_ms=1_000)
    other = scenario_id_from(b"other")

    assert [one.id for one in held.deliveries] == [delivery_id]
    assert await desk.deliveries.redrive(desk.endpoint.id, [delivery_id, short_uuid(EVENT, "x")]) == [
        "HELD",
        "UNKNOWN",
    ]
    assert await desk.deliveries.redrive(other, [delivery_id]) == ["UNKNOWN"]


async def test_a_taken_delivery_is_left_alone_for_a_while_and_a_late_record_does_not_count(
    desk: Desk,
) -> None:
    await desk.announce()
    room = [(desk.endpoint.id, 5)]
    first = await desk.deliveries.take(desk.at, room, total=5, hold_ms=10_000)
    assert (await desk.deliveries.take(desk.at, room, total=5, hold_ms=10_000)).deliveries == []
    await desk.passed(10_000)
    second = await desk.deliveries.take(desk.at, room, total=5, hold_ms=10_000)
    verdict = judge(Answer(200, 3), 0, Middle())

    assert await desk.deliveries.record(desk.at, first.deliveries[0], verdict) is None
    assert await desk.deliveries.record(desk.at, second.deliveries[0], verdict) == 0
    assert await desk.deliveries.record(desk.at, second.deliveries[0], verdict) is None


async def test_no_more_are_taken_than_there_is_room_for_and_the_oldest_come_first(desk: Desk) -> None:
    ids = []
    for number in range(5):
        ids.append(await desk.announce(number))
        await desk.passed(1)

    two = await desk.deliveries.take(desk.at, [(desk.endpoint.id, 2)], total=9, hold_ms=1_000)
    one = await desk.deliveries.take(desk.at, [(desk.endpoint.id, 9)], total=1, hold_ms=1_000)
    none = await desk.deliveries.take(desk.at, [(desk.endpoint.id, 0)], total=9, hold_ms=1_000)

    assert [due.id for due in two.deliveries + one.deliveries] == ids[:3]
    assert none.deliveries == []


async def test_no_more_attempts_are_under_way_than_there_may_be_in_all(desk: Desk) -> None:
    desk.sender.sending = replace(desk.sender.sending, in_total=1)
    desk.receiver.holds = True
    for number in range(3):
        await desk.announce(number)

    for _ in range(3):
        await desk.courier.round()
        assert desk.sender.free == 0
    desk.receiver.let_go()
    await desk.sender.idle()
    first = len(desk.receiver.requests)

    assert (first, await desk.sent(), await desk.sent()) == (1, 1, 1)


async def test_everything_of_a_removed_endpoint_goes_or_expires(desk: Desk) -> None:
    done = await desk.announce(1)
    await desk.sent()
    desk.receiver.answers = [500]
    waiting = await desk.announce(2)
    await desk.sent()

    assert await desk.endpoints.remove(desk.endpoint.id)
    assert not await desk.endpoints.remove(desk.endpoint.id)
    await desk.passed(SCHEDULE_S[0] * 1_000)

    assert await desk.sent() == 0
    left = sorted(name.decode() for name in await desk.link.execute("KEYS", "*"))
    assert left == sorted([CLOCK, f"delivery:{done}", f"delivery:{waiting}"])
    assert min(await desk.link.execute_many([("PTTL", f"delivery:{one}") for one in (done, waiting)])) > 0


async def test_there_is_an_end_to_the_number_of_endpoints(desk: Desk) -> None:
    for number in range(MAX_ENDPOINTS - 1):
        await desk.endpoints.add(replace(desk.endpoint, id=scenario_id_from(f"{number}".encode())))
    with pytest.raises(TooManyEndpoints):
        await desk.endpoints.add(replace(desk.endpoint, id=scenario_id_from(b"too many")))


async def test_two_changes_at_once_both_happen(desk: Desk) -> None:
    await asyncio.gather(
        *(
            desk.endpoints.change(desk.endpoint.id, lambda one, n=n: replace(one, names=[*one.names, n]))  # type: ignore[misc]
            for n in ("a", "b", "c")
        )
    )
    known = await desk.known()
    assert (sorted(known.names), known.revision) == (["a", "b", "c"], 4)


async def test_copies_of_endpoints_are_brought_in_line(link: RedisLink) -> None:
    async with receiving() as receiver:
        desk = await Desk(link, receiver, partitions=2).open()
        home, other = desk.store.partitions[0], desk.store.partitions[1]
        removed = await desk.endpoints.add(replace(desk.endpoint, id=scenario_id_from(b"removed")))
        changed = await desk.endpoints.add(replace(desk.endpoint, id=scenario_id_from(b"changed")))
        before = await link.execute("HGET", other.webhooks, changed.id)
        await desk.endpoints.change(changed.id, lambda one: replace(one, description="new"))
        # As if each of three processes had died between its two writes.
        await link.execute("HDEL", home.webhooks, removed.id)
        await link.execute("HSET", other.webhooks, changed.id, before)
        await link.execute("HDEL", other.webhooks, desk.endpoint.id)

        await desk.endpoints.repair(other)

        assert await desk.endpoints.all(other) == await desk.endpoints.all()
        assert len(await desk.endpoints.all()) == 2


@pytest.mark.parametrize("random", [0.0, 1.0])
def test_pauses_are_spread(random: float) -> None:
    class Edge(SystemRandomness):
        def uniform(self, low: float, high: float) -> float:
            return low + random * (high - low)

    verdict = judge(Answer(500, 1), 1, Edge())
    assert verdict.delay_ms == 270_000 + random * 60_000
