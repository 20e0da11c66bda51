import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from gateway.core.errors import (
    DeadlineExceeded,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    UpstreamUnavailable,
)
from gateway.core.limits import breaker as breaker_module
from gateway.core.limits.breaker import FAILURES
from gateway.core.participants import ParticipantFilter
from gateway.core.rooms import NewRoom, RoomFilter, RoomSid
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service import call_context
from gateway.service.call_context import CallContext
from gateway.service.flights import singleflight
from gateway.service.flights.deadlines import within
from gateway.service.upstream import call_policy as attempts_module
from gateway.service.upstream.call_policy import CallPolicy
from gateway.twilio.client import TwilioVideo
from gateway.twilio.wire.insights import fetch_insights_room
from gateway.twilio.wire.rooms import complete_room, create_room, fetch_room, list_rooms
from tests.service.conftest import ACCOUNT, ANYBODY, Site, later, ref, sid, until


class Caller:
    """Calls at Twilio, each try in a turn that is counted."""

    def __init__(self, site: Site, url: str | None = None) -> None:
        at, token = url or site.gate.url, site.sandbox.auth_token
        self.permits = self.probes = 0
        self.call_policy = CallPolicy(
            TwilioVideo(site.session, at, at, ACCOUNT, ACCOUNT, token), self._probe_turn
        )
        self.room = site.make_at_twilio()

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        self.permits += 1
        yield

    @asynccontextmanager
    async def _probe_turn(self) -> AsyncIterator[None]:
        self.probes += 1
        yield

    async def read(self, room: RoomSid | None = None, *, is_urgent: bool = True) -> str:
        return (
            await self.call_policy.make(
                fetch_room(room or self.room), self.permit, is_urgent=is_urgent
            )
        ).sid

    async def create(self) -> str:
        return (
            await self.call_policy.make(
                create_room(NewRoom(), "https://rooms.example/"), self.permit
            )
        ).sid

    async def end(self) -> str:
        return (await self.call_policy.make(complete_room(self.room), self.permit)).sid

    async def list_(self) -> int:
        return len((await self.call_policy.make(list_rooms(RoomFilter(), 5), self.permit)).items)

    async def save(self, retries: int) -> None:
        """Earns so many retries."""
        for _ in range(10 * retries):
            await self.read()
        self.permits = 0


@pytest.fixture
async def caller(site: Site) -> AsyncIterator[Caller]:
    caller = Caller(site)
    yield caller
    await caller.call_policy.aclose()


@contextmanager
def waiting_until(moment: Callable[[], float]) -> Iterator[None]:
    """Somebody waits so long, and nobody ends the call for him."""
    with call_context.entered(CallContext(deadline=moment)):
        yield


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rests and waits are a hundredth of what they are."""
    monkeypatch.setattr(breaker_module, "FIRST_REST_S", breaker_module.FIRST_REST_S / 100)
    monkeypatch.setattr(breaker_module, "LONGEST_REST_S", breaker_module.LONGEST_REST_S / 100)
    monkeypatch.setattr(attempts_module, "backoff_s", lambda retry, chance: 0.01)


async def failure(call: Awaitable[object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await call
    return caught.value


async def shut(caller: Caller) -> GatewayError:
    """The reads' breaker is open: what the next one is told."""
    for _ in range(FAILURES):
        await failure(caller.read(is_urgent=False))
    return await failure(caller.read())


@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(status=503), Fault(hang_up="before"), Fault(hang_up="after")]
)
async def test_a_read_is_tried_again_when_no_answer_came_or_twilio_failed(
    site: Site, fault: Fault
) -> None:
    # Not through the gate, which would pass on a lost connection as an answer.
    caller = Caller(site, site.sandbox.url)
    await caller.save(1)
    site.sandbox.faults.add(fault)
    begun = time.time()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(caller.read())
        await until(lambda: len(site.sandbox.call_log.calls(begun)) == 1)
        site.calm()
    assert (reading.result(), caller.permits) == (caller.room, 2), (
        "each try takes a turn of its own"
    )
    assert len(site.sandbox.call_log.calls(begun)) == 2


async def test_twice_at_the_most_and_within_the_budget(site: Site, caller: Caller) -> None:
    await caller.save(3)
    site.sandbox.faults.add(Fault(status=503))
    tries = []
    for _ in range(2):
        caller.permits = 0
        assert isinstance(await failure(caller.read()), UpstreamUnavailable)
        tries.append(caller.permits)
    assert tries == [3, 2]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=404),
        Fault(status=429),
        Fault(status=400),
        Fault(status=503, retry_after_s=1),
        Fault(malformed=True),
        Fault(status=302),
    ],
)
async def test_other_answers_are_taken_as_they_are(
    site: Site, caller: Caller, fault: Fault
) -> None:
    await caller.save(2)
    site.sandbox.faults.add(fault)
    await failure(caller.read())
    assert caller.permits == 1


async def test_a_refresh_and_a_change_are_not_tried_again(site: Site, caller: Caller) -> None:
    await caller.save(2)
    site.sandbox.faults.add(Fault(status=503))
    await failure(caller.read(is_urgent=False))
    await failure(caller.end())
    assert caller.permits == 2


async def test_i15_no_try_begins_after_the_deadline(site: Site, caller: Caller) -> None:
    before = len(site.gate.calls)
    with waiting_until(lambda: time.monotonic() - 1):
        for call in (caller.read(), caller.list_(), caller.create()):
            late = await failure(call)
            assert (type(late), late.is_unsent) == (DeadlineExceeded, True)
    assert (len(site.gate.calls), caller.permits) == (before, 0)


async def test_i15_nor_when_it_passes_while_a_call_waits_for_its_turn(
    site: Site, caller: Caller
) -> None:
    ends_at = [time.monotonic() + 60]

    @asynccontextmanager
    async def long_turn() -> AsyncIterator[None]:
        ends_at[0] = time.monotonic()
        yield

    before = len(site.gate.calls)
    with waiting_until(lambda: ends_at[0]):
        late = await failure(caller.call_policy.make(complete_room(caller.room), long_turn))
    assert isinstance(late, DeadlineExceeded)
    assert len(site.gate.calls) == before


async def test_i15_nor_is_a_read_tried_again_when_the_wait_would_be_too_long(
    site: Site, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await caller.save(2)
    monkeypatch.setattr(attempts_module, "backoff_s", lambda retry, chance: 60.0)
    site.sandbox.faults.add(Fault(status=503))
    async with within(10):
        assert isinstance(await failure(caller.read()), UpstreamUnavailable)
    assert caller.permits == 1


async def test_a_silent_twilio_leaves_time_to_answer(site: Site, caller: Caller) -> None:
    """The try ends before the caller's time is up, so that whoever asked can still be shown what is held."""
    site.gate.close()
    async with within(0.15):
        assert isinstance(await failure(caller.read()), DeadlineExceeded)
    await until(lambda: site.gate.waiting == 0)


async def test_a_change_on_its_way_is_waited_for_past_the_deadline(
    site: Site, caller: Caller
) -> None:
    ends_at = [time.monotonic() + 60]
    site.gate.close()
    with waiting_until(lambda: ends_at[0]):
        ending = site.tasks.create_task(caller.end())
        await until(lambda: site.gate.waiting == 1)
        ends_at[0] = time.monotonic()
        site.gate.open()
        assert await ending == caller.room


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(hang_up="before")])
async def test_when_reads_fail_in_a_row_callers_are_refused_at_once_and_told_when_to_come_back(
    site: Site, caller: Caller, fault: Fault
) -> None:
    site.sandbox.faults.add(fault)
    refused = await shut(caller)
    assert isinstance(refused, UpstreamUnavailable)
    assert (refused.is_unsent, (refused.retry_after_ms or 0) > 0) == (True, True)
    assert caller.permits == FAILURES


async def test_the_gateway_finds_out_by_itself_that_twilio_is_back(
    site: Site, caller: Caller
) -> None:
    site.sandbox.faults.add(Fault(status=503))
    await shut(caller)
    await until(lambda: caller.probes >= 2)
    site.calm()
    await until(lambda: not caller.call_policy._reads["video"].breaker.is_shut)
    assert await caller.read() == caller.room
    probes = caller.probes
    assert await asyncio.gather(*(caller.read() for _ in range(20))) == [caller.room] * 20
    assert caller.probes == probes


async def test_a_probe_waits_when_the_quota_has_no_turn_for_it(site: Site, caller: Caller) -> None:
    asked = 0

    @asynccontextmanager
    async def no_turn() -> AsyncIterator[None]:
        nonlocal asked
        asked += 1
        raise QuotaExceeded("used up")
        yield

    caller.call_policy._permit = no_turn
    site.sandbox.faults.add(Fault(status=503))
    await shut(caller)
    before = len(site.gate.calls)
    await until(lambda: asked >= 3)
    assert len(site.gate.calls) == before


async def test_refusals_never_open_it(site: Site, caller: Caller) -> None:
    for status in (400, 401, 403, 404, 409, 429):
        site.calm()
        site.sandbox.faults.add(Fault(status=status))
        for _ in range(FAILURES):
            assert not (await failure(caller.read())).is_unsent
    site.calm()
    assert await caller.read() == caller.room


async def test_changes_and_reads_have_breakers_of_their_own(site: Site, caller: Caller) -> None:
    site.sandbox.faults.add(Fault(Match("POST"), status=503))
    for _ in range(FAILURES):
        await failure(caller.end())
    assert (await failure(caller.end())).is_unsent
    assert await caller.read() == caller.room


async def test_where_no_read_is_answered_one_change_that_fails_is_enough(
    site: Site, caller: Caller
) -> None:
    site.sandbox.faults.add(Fault(status=503))
    await shut(caller)
    assert isinstance(await failure(caller.create()), OutcomeUnknown)
    assert (await failure(caller.create())).is_unsent


async def test_a_few_changes_at_once_find_out_whether_twilio_takes_them_again(
    site: Site, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.sandbox.faults.add(Fault(Match("POST"), status=503))
    for _ in range(FAILURES):
        await failure(caller.create())
    site.calm()
    await until(lambda: not caller.call_policy._writes.breaker.is_shut)
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        trials = [group.create_task(caller.create()) for _ in range(attempts_module.TRIAL_WRITES)]
        await until(lambda: site.gate.waiting == attempts_module.TRIAL_WRITES)
        assert (await failure(caller.create())).is_unsent
        site.gate.open()
    assert len({trial.result() for trial in trials}) == attempts_module.TRIAL_WRITES
    assert await caller.create()


async def test_insights_is_another_host_and_its_trouble_its_own(site: Site, caller: Caller) -> None:
    site.sandbox.faults.add(Fault(Match(path="/v1/Video"), status=503))
    for _ in range(FAILURES + 1):
        refused = await failure(
            caller.call_policy.make(fetch_insights_room(sid(1)), caller.permit, is_urgent=False)
        )
    assert refused.is_unsent
    assert await caller.read() == caller.room


async def test_a_caller_who_leaves_soon_tells_nothing_and_a_read_that_waits_long_is_a_failure(
    site: Site, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.gate.close()
    for _ in range(2 * FAILURES):
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(caller.read())
            await until(lambda: site.gate.waiting == 1)
            reading.cancel()
            await until(lambda: site.gate.waiting == 0)
    assert not caller.call_policy._reads["video"].breaker.is_shut
    monkeypatch.setattr(attempts_module, "SILENCE_S", 0.01)
    monkeypatch.setattr(attempts_module, "PROBE_S", 0.02)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(caller.read()) for _ in range(FAILURES)]
        await until(lambda: caller.call_policy._reads["video"].breaker.is_shut)
        assert (await failure(caller.read())).is_unsent
        site.gate.open()
    assert {each.result() for each in waiting} == {caller.room}, "they are still waited for"


async def test_a_process_that_was_held_up_does_not_take_that_for_twilios_silence(
    caller: Caller,
) -> None:
    lane, now = caller.call_policy._reads["video"], asyncio.get_running_loop().time
    for due_ago_s, is_shut in ((1.0, False), (0.0, True)):
        for ticket in [lane.breaker.admit() for _ in range(FAILURES)]:
            assert ticket is not None
            caller.call_policy._fall_silent(lane, ticket, now() - due_ago_s)
        assert lane.breaker.is_shut is is_shut


async def test_a_change_that_takes_long_is_no_failure(
    site: Site, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_module, "SILENCE_S", 0.0)
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        for _ in range(2 * FAILURES):
            group.create_task(caller.create())
        await until(lambda: site.gate.waiting == 2 * FAILURES)
        site.gate.open()
    assert await caller.create()


async def test_a_change_that_takes_long_while_no_read_is_answered_is_one(
    site: Site, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_module, "SILENCE_S", 0.01)
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        for _ in range(FAILURES):
            group.create_task(caller.read())
        await until(lambda: caller.call_policy._reads["video"].breaker.is_shut)
        waiting = group.create_task(caller.create())
        await until(lambda: caller.call_policy._writes.breaker.is_shut)
        assert (await failure(caller.create())).is_unsent
        site.gate.open()
    assert waiting.result(), "it is still waited for"


async def test_when_calls_pile_up_lists_and_refreshes_go_first_then_reads_and_changes_not_at_all(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_module, "READS", 4)
    caller = Caller(site)
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        group.create_task(caller.read())
        group.create_task(caller.list_())
        await until(lambda: site.gate.waiting == 2)
        for refused in (await failure(caller.list_()), await failure(caller.read(is_urgent=False))):
            assert (refused.code, refused.is_unsent, refused.retry_after_ms) == (
                "UPSTREAM_UNAVAILABLE",
                True,
                1000,
            )
        for _ in range(2):
            group.create_task(caller.read())
        await until(lambda: site.gate.waiting == 4)
        assert (await failure(caller.read())).is_unsent
        group.create_task(caller.end())
        await until(lambda: site.gate.waiting == 5)
        site.gate.open()
    assert await caller.list_() >= 0


async def test_a_room_that_is_not_there_is_an_answer(caller: Caller) -> None:
    assert isinstance(await failure(caller.read(sid(404))), NotFound)


async def test_p17_where_every_read_fails_a_tenth_is_tried_again_also_without_a_breaker(
    site: Site, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_module, "FAILURES", 10**9)
    site.sandbox.faults.add(Fault(status=503))
    for _ in range(50):
        await failure(caller.read())
    assert caller.permits == 55


async def test_who_holds_an_answer_is_shown_it_while_twilio_takes_its_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when the answer comes, it is there for the next."""
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")

    async def flags() -> list[bool]:
        seen = await account.rooms.room(ANYBODY, ref(room))
        people = await account.participants.page(ANYBODY, ref(room), ParticipantFilter(), 5, None)
        [listed] = (await account.rooms.rooms(ANYBODY, RoomFilter(), 5, None)).value.items
        assert seen is not None
        return [each.freshness.is_stale for each in (seen, people, listed[1])]

    assert await flags() == [False] * 3
    monkeypatch.setattr(singleflight, "FALLBACK_S", 0.01)
    later(monkeypatch, 60)
    site.gate.close()
    assert await flags() == [True] * 3
    await until(lambda: site.gate.waiting == 3)
    site.gate.open()
    await until(lambda: site.gate.waiting == 0)
    monkeypatch.setattr(singleflight, "FALLBACK_S", 5)
    assert await flags() == [False] * 3
    assert len(site.gate.calls) == 6


async def test_when_nobody_can_say_whose_turn_it_is_that_is_no_try(caller: Caller) -> None:
    await caller.save(2)

    @asynccontextmanager
    async def no_answer() -> AsyncIterator[None]:
        caller.permits += 1
        raise UpstreamUnavailable("Redis gave no answer")
        yield

    for _ in range(2 * FAILURES):
        await failure(caller.call_policy.make(fetch_room(caller.room), no_answer))
    assert (caller.permits, await caller.read()) == (2 * FAILURES, caller.room)
