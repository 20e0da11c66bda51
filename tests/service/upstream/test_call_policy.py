import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.errors import (
    DeadlineExceeded,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    UpstreamUnavailable,
)
from gateway.core.limits.breaker import FAILURES, Breaker
from gateway.core.participants import ParticipantFilter
from gateway.core.rooms import NewRoom, RoomFilter, RoomSid
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service import call_context
from gateway.service.cache.timings import CacheTimings
from gateway.service.call_context import CallContext, Deadline
from gateway.service.flights.deadlines import within
from gateway.service.upstream.call_policy import CallPolicy, PermitContext
from gateway.service.upstream.timings import CallLimits, UpstreamTimings
from gateway.twilio.client import TwilioVideo
from gateway.twilio.wire.insights import fetch_insights_room
from gateway.twilio.wire.rooms import complete_room, create_room, fetch_room, list_rooms
from tests.service.conftest import ACCOUNT, ADMIN, LIMIT_S, Site, ref, shift_clock, sid, wait_until

TRIAL_WRITES = CallLimits().trial_writes
# All rests and pauses are a hundredth of the usual ones.
FAST = UpstreamTimings(
    first_rest_s=0.01, longest_rest_s=0.08, first_backoff_s=0.01, longest_backoff_s=0.01
)


class Client:
    """Calls Twilio, and counts the permits that the tries and the probes take."""

    def __init__(
        self,
        site: Site,
        timings: UpstreamTimings = FAST,
        limits: CallLimits = CallLimits(),
        *,
        url: str | None = None,
        probe_permit: PermitContext | None = None,
    ) -> None:
        base_url, token = url or site.gate.url, site.sandbox.auth_token
        self.permits = self.probes = 0
        self.call_policy = CallPolicy(
            TwilioVideo(site.session, base_url, base_url, ACCOUNT, ACCOUNT, token),
            probe_permit or self._probe_permit,
            timings,
            limits,
        )
        self.room = site.make_at_twilio()

    @property
    def reads(self) -> Breaker:
        return self.call_policy._reads["video"].breaker

    @property
    def writes(self) -> Breaker:
        return self.call_policy._writes.breaker

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        self.permits += 1
        yield

    @asynccontextmanager
    async def _probe_permit(self) -> AsyncIterator[None]:
        self.probes += 1
        yield

    async def read(self, room: RoomSid | None = None, *, is_urgent: bool = True) -> str:
        request = fetch_room(room or self.room)
        return (await self.call_policy.call(request, self.permit, is_urgent=is_urgent)).sid

    async def create(self) -> str:
        request = create_room(NewRoom(), "https://rooms.example/")
        return (await self.call_policy.call(request, self.permit)).sid

    async def end(self) -> str:
        return (await self.call_policy.call(complete_room(self.room), self.permit)).sid

    async def list_(self) -> int:
        return len((await self.call_policy.call(list_rooms(RoomFilter(), 5), self.permit)).items)

    async def earn(self, retries: int) -> None:
        """Saves retries in the budget."""
        for _ in range(10 * retries):
            await self.read()
        self.permits = 0


NewClient = Callable[..., Client]


@pytest.fixture
async def new_client(site: Site) -> AsyncIterator[NewClient]:
    """Makes clients with other settings; they are closed after the test."""
    clients: list[Client] = []

    def make(*args: Any, **options: Any) -> Client:
        clients.append(Client(site, *args, **options))
        return clients[-1]

    yield make
    for client in clients:
        await client.call_policy.aclose()


@pytest.fixture
async def client(new_client: NewClient) -> Client:
    return new_client()


@contextmanager
def deadline(deadline: Deadline) -> Iterator[None]:
    """Sets a deadline that cancels nothing by itself."""
    with call_context.entered(CallContext(deadline=deadline)):
        yield


async def failure(call: Awaitable[Any]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await call
    return caught.value


async def open_reads(client: Client) -> GatewayError:
    """Opens the breaker of the reads. Returns the error of the next read."""
    for _ in range(FAILURES):
        await failure(client.read(is_urgent=False))
    return await failure(client.read())


@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(status=503), Fault(hang_up="before"), Fault(hang_up="after")]
)
async def test_a_read_is_retried_when_there_was_no_answer_or_a_5xx(
    site: Site, new_client: NewClient, fault: Fault
) -> None:
    # Not through the gate, which turns a lost connection into an answer.
    client = new_client(url=site.sandbox.url)
    await client.earn(1)
    site.sandbox.faults.add(fault)
    begun = time.time()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(client.read())
        await wait_until(lambda: len(site.sandbox.call_log.calls(begun)) == 1)
        site.calm()
    assert (reading.result(), client.permits) == (client.room, 2), (
        "each try takes a permit of its own"
    )
    assert len(site.sandbox.call_log.calls(begun)) == 2


async def test_a_read_is_retried_twice_at_most_and_within_the_retry_budget(
    site: Site, client: Client
) -> None:
    await client.earn(3)
    site.sandbox.faults.add(Fault(status=503))
    tries = []
    for _ in range(2):
        client.permits = 0
        assert isinstance(await failure(client.read()), UpstreamUnavailable)
        tries.append(client.permits)
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
async def test_other_failures_are_not_retried(site: Site, client: Client, fault: Fault) -> None:
    await client.earn(2)
    site.sandbox.faults.add(fault)
    await failure(client.read())
    assert client.permits == 1


async def test_refreshes_and_changes_are_not_retried(site: Site, client: Client) -> None:
    await client.earn(2)
    site.sandbox.faults.add(Fault(status=503))
    await failure(client.read(is_urgent=False))
    await failure(client.end())
    assert client.permits == 2


async def test_i15_no_try_starts_after_the_deadline(site: Site, client: Client) -> None:
    before = len(site.gate.calls)
    with deadline(lambda: time.monotonic() - 1):
        for call in (client.read(), client.list_(), client.create()):
            late = await failure(call)
            assert (type(late), late.is_unsent) == (DeadlineExceeded, True)
    assert (len(site.gate.calls), client.permits) == (before, 0)


async def test_i15_no_try_starts_when_the_deadline_passes_during_the_wait_for_a_permit(
    site: Site, client: Client
) -> None:
    ends_at = [time.monotonic() + 60]

    @asynccontextmanager
    async def late_permit() -> AsyncIterator[None]:
        ends_at[0] = time.monotonic()
        yield

    before = len(site.gate.calls)
    with deadline(lambda: ends_at[0]):
        late = await failure(client.call_policy.call(complete_room(client.room), late_permit))
    assert isinstance(late, DeadlineExceeded)
    assert len(site.gate.calls) == before


async def test_i15_a_read_is_not_retried_when_the_backoff_would_pass_the_deadline(
    site: Site, new_client: NewClient
) -> None:
    # The backoff is random: as good as never one below the deadline.
    client = new_client(UpstreamTimings(first_backoff_s=1e12, longest_backoff_s=1e12))
    await client.earn(2)
    site.sandbox.faults.add(Fault(status=503))
    async with within(10):
        assert isinstance(await failure(client.read()), UpstreamUnavailable)
    assert client.permits == 1


async def test_a_read_without_an_answer_ends_before_the_callers_deadline(
    site: Site, client: Client
) -> None:
    """So there is time to serve a stale answer."""
    site.gate.close()
    async with within(0.15):
        assert isinstance(await failure(client.read()), DeadlineExceeded)
    await wait_until(lambda: site.gate.waiting == 0)


async def test_a_change_that_was_sent_is_waited_for_past_the_deadline(
    site: Site, client: Client
) -> None:
    ends_at = [time.monotonic() + 60]
    site.gate.close()
    with deadline(lambda: ends_at[0]):
        ending = site.tasks.create_task(client.end())
        await wait_until(lambda: site.gate.waiting == 1)
        ends_at[0] = time.monotonic()
        site.gate.open()
        assert await ending == client.room


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(hang_up="before")])
async def test_after_failures_in_a_row_reads_are_refused_at_once_with_a_retry_hint(
    site: Site, client: Client, fault: Fault
) -> None:
    site.sandbox.faults.add(fault)
    refusal = await open_reads(client)
    assert isinstance(refusal, UpstreamUnavailable)
    assert (refusal.is_unsent, (refusal.retry_after_ms or 0) > 0) == (True, True)
    assert client.permits == FAILURES


async def test_probes_close_the_breaker_when_twilio_answers_again(
    site: Site, client: Client
) -> None:
    site.sandbox.faults.add(Fault(status=503))
    await open_reads(client)
    await wait_until(lambda: client.probes >= 2)
    site.calm()
    await wait_until(lambda: not client.reads.is_blocking)
    assert await client.read() == client.room
    probes = client.probes
    assert await asyncio.gather(*(client.read() for _ in range(20))) == [client.room] * 20
    assert client.probes == probes


async def test_a_probe_without_a_permit_is_not_sent(site: Site, new_client: NewClient) -> None:
    attempts = 0

    @asynccontextmanager
    async def no_permit() -> AsyncIterator[None]:
        nonlocal attempts
        attempts += 1
        raise QuotaExceeded("used up")
        yield

    client = new_client(probe_permit=no_permit)
    site.sandbox.faults.add(Fault(status=503))
    await open_reads(client)
    before = len(site.gate.calls)
    await wait_until(lambda: attempts >= 3)
    assert len(site.gate.calls) == before


async def test_refusals_by_twilio_never_open_the_breaker(site: Site, client: Client) -> None:
    for status in (400, 401, 403, 404, 409, 429):
        site.calm()
        site.sandbox.faults.add(Fault(status=status))
        for _ in range(FAILURES):
            assert not (await failure(client.read())).is_unsent
    site.calm()
    assert await client.read() == client.room


async def test_changes_and_reads_have_separate_breakers(site: Site, client: Client) -> None:
    site.sandbox.faults.add(Fault(Match("POST"), status=503))
    for _ in range(FAILURES):
        await failure(client.end())
    assert (await failure(client.end())).is_unsent
    assert await client.read() == client.room


async def test_while_reads_fail_one_failed_change_opens_the_breaker_of_the_changes(
    site: Site, client: Client
) -> None:
    site.sandbox.faults.add(Fault(status=503))
    await open_reads(client)
    assert isinstance(await failure(client.create()), OutcomeUnknown)
    assert (await failure(client.create())).is_unsent


async def test_a_few_changes_at_a_time_pass_after_an_answered_probe(
    site: Site, client: Client
) -> None:
    site.sandbox.faults.add(Fault(Match("POST"), status=503))
    for _ in range(FAILURES):
        await failure(client.create())
    site.calm()
    await wait_until(lambda: not client.writes.is_blocking)
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        trials = [group.create_task(client.create()) for _ in range(TRIAL_WRITES)]
        await wait_until(lambda: site.gate.waiting == TRIAL_WRITES)
        assert (await failure(client.create())).is_unsent
        site.gate.open()
    assert len({trial.result() for trial in trials}) == TRIAL_WRITES
    assert await client.create()


async def test_insights_has_a_breaker_of_its_own(site: Site, client: Client) -> None:
    site.sandbox.faults.add(Fault(Match(path="/v1/Video"), status=503))
    for _ in range(FAILURES + 1):
        refusal = await failure(
            client.call_policy.call(fetch_insights_room(sid(1)), client.permit, is_urgent=False)
        )
    assert refusal.is_unsent
    assert await client.read() == client.room


async def test_a_read_that_is_cancelled_soon_is_no_failure(site: Site, client: Client) -> None:
    site.gate.close()
    for _ in range(2 * FAILURES):
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(client.read())
            await wait_until(lambda: site.gate.waiting == 1)
            reading.cancel()
            await wait_until(lambda: site.gate.waiting == 0)
    assert not client.reads.is_blocking


async def test_a_slow_read_is_a_failure_and_is_still_waited_for(
    site: Site, new_client: NewClient
) -> None:
    client = new_client(replace(FAST, slow_s=0.01, probe_s=0.02))
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(client.read()) for _ in range(FAILURES)]
        await wait_until(lambda: client.reads.is_blocking)
        assert (await failure(client.read())).is_unsent
        site.gate.open()
    assert {task.result() for task in waiting} == {client.room}


async def test_a_slow_timer_that_fires_late_counts_no_failure(
    client: Client,
) -> None:
    """This process was held up: the answer may be waiting to be read."""
    bulkhead, now = client.call_policy._reads["video"], asyncio.get_running_loop().time
    for due_ago_s, is_blocking in ((1.0, False), (0.0, True)):
        for ticket in [client.reads.admit() for _ in range(FAILURES)]:
            assert ticket is not None
            client.call_policy._on_slow(bulkhead, ticket, now() - due_ago_s)
        assert client.reads.is_blocking is is_blocking


async def test_a_slow_change_is_no_failure(site: Site, new_client: NewClient) -> None:
    client = new_client(replace(FAST, slow_s=0.0))
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        for _ in range(2 * FAILURES):
            group.create_task(client.create())
        await wait_until(lambda: site.gate.waiting == 2 * FAILURES)
        site.gate.open()
    assert await client.create()


async def test_a_slow_change_is_a_failure_while_reads_fail(
    site: Site, new_client: NewClient
) -> None:
    client = new_client(replace(FAST, slow_s=0.01))
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        for _ in range(FAILURES):
            group.create_task(client.read())
        await wait_until(lambda: client.reads.is_blocking)
        waiting = group.create_task(client.create())
        await wait_until(lambda: client.writes.is_blocking)
        assert (await failure(client.create())).is_unsent
        site.gate.open()
    assert waiting.result(), "it is still waited for"


async def test_a_full_bulkhead_refuses_lists_and_refreshes_first_then_reads_but_no_changes(
    site: Site, new_client: NewClient
) -> None:
    client = new_client(UpstreamTimings(), CallLimits(reads=4))
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        group.create_task(client.read())
        group.create_task(client.list_())
        await wait_until(lambda: site.gate.waiting == 2)
        for refusal in (await failure(client.list_()), await failure(client.read(is_urgent=False))):
            assert (refusal.code, refusal.is_unsent, refusal.retry_after_ms) == (
                "UPSTREAM_UNAVAILABLE",
                True,
                1000,
            )
        for _ in range(2):
            group.create_task(client.read())
        await wait_until(lambda: site.gate.waiting == 4)
        assert (await failure(client.read())).is_unsent
        group.create_task(client.end())
        await wait_until(lambda: site.gate.waiting == 5)
        site.gate.open()
    assert await client.list_() >= 0


async def test_not_found_is_an_answer(client: Client) -> None:
    assert isinstance(await failure(client.read(sid(404))), NotFound)


async def test_p17_when_every_read_fails_a_tenth_is_retried_even_without_a_breaker(
    site: Site, new_client: NewClient
) -> None:
    client = new_client(FAST, CallLimits(failures=10**9))
    site.sandbox.faults.add(Fault(status=503))
    for _ in range(50):
        await failure(client.read())
    assert client.permits == 55


async def test_a_cached_answer_is_served_stale_while_twilio_is_slow(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow answer is stored for later reads."""
    site.cache_timings = CacheTimings(fallback_s=0.01)
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")

    async def are_stale() -> list[bool]:
        found = await account.rooms.room(ADMIN, ref(room))
        people = await account.participants.page(ADMIN, ref(room), ParticipantFilter(), 5, None)
        [listed] = (await account.rooms.rooms(ADMIN, RoomFilter(), 5, None)).value.items
        assert found is not None
        return [result.freshness.is_stale for result in (found, people, listed[1])]

    assert await are_stale() == [False] * 3
    shift_clock(monkeypatch, 60)
    site.gate.close()
    assert await are_stale() == [True] * 3
    await wait_until(lambda: site.gate.waiting == 3)
    site.gate.open()
    async with asyncio.timeout(LIMIT_S):
        while await are_stale() != [False] * 3:
            pass
    assert len(site.gate.calls) == 6


async def test_a_call_without_a_permit_is_no_try(client: Client) -> None:
    await client.earn(2)

    @asynccontextmanager
    async def no_answer() -> AsyncIterator[None]:
        client.permits += 1
        raise UpstreamUnavailable("Redis gave no answer")
        yield

    for _ in range(2 * FAILURES):
        await failure(client.call_policy.call(fetch_room(client.room), no_answer))
    assert (client.permits, await client.read()) == (2 * FAILURES, client.room)
