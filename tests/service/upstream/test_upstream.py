import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from gateway.core.errors import DeadlineExceeded, NotFound, QuotaExceeded
from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import Concurrency
from gateway.core.limits.rate_limit import Rate, TwilioQuota
from gateway.core.rooms import NewRoom, RoomFilter, RoomSid
from gateway.sandbox.faults.injector import Fault
from gateway.sandbox.server import Sandbox
from gateway.sandbox.world.world import Capacity
from gateway.service.upstream.timings import UpstreamTimings
from gateway.service.upstream.upstream import AccountQuota, Upstream
from gateway.store.limiter import Limiter
from gateway.twilio.client import TwilioVideo
from gateway.twilio.wire.rooms import complete_room, create_room, fetch_room, list_rooms
from tests.service.conftest import ACCOUNT, Site, sid, wait_until

PLENTY = Rate(per_s=1_000, burst=1_000)
CONCURRENCY = Concurrency(at_most=100, at_least=4)


OPEN: list[Upstream] = []


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    yield
    while OPEN:
        await OPEN.pop().aclose()


def upstream(
    site: Site,
    *,
    read: Rate = PLENTY,
    write: Rate = PLENTY,
    reconcile: Rate = PLENTY,
    max_wait_s: float = 0.0,
    url: str | None = None,
    timings: UpstreamTimings = UpstreamTimings(),
) -> Upstream:
    token = site.sandbox.auth_token
    twilio = TwilioVideo(
        site.session, url or site.gate.url, "http://insights.invalid", ACCOUNT, ACCOUNT, token
    )
    quota = AccountQuota(
        TwilioQuota(1_000, read), TwilioQuota(1_000, write), reconcile, CONCURRENCY, max_wait_s
    )
    OPEN.append(
        Upstream(twilio, Limiter(site.connections, ACCOUNT, CONCURRENCY), quota, lambda: 1, timings)
    )
    return OPEN[-1]


async def fetch(upstream: Upstream, room_sid: RoomSid, *, is_urgent: bool = True) -> str:
    return (await upstream.send(fetch_room(room_sid), is_urgent=is_urgent)).sid


async def create(upstream: Upstream, name: str | None = None) -> str:
    return (
        await upstream.send(create_room(NewRoom(unique_name=name), "https://rooms.example/"))
    ).sid


async def test_a_read_returns_what_twilio_answers(site: Site) -> None:
    room = site.make_at_twilio()
    assert await fetch(upstream(site), room) == room


async def test_a_call_above_the_rate_is_refused_and_not_sent(site: Site) -> None:
    room = site.make_at_twilio()
    slow = upstream(site, read=Rate(per_s=0.01, burst=1))
    await fetch(slow, room)
    with pytest.raises(QuotaExceeded) as refusal:
        await fetch(slow, room)
    assert 90_000 <= (refusal.value.retry_after_ms or 0) <= 100_000
    assert len(site.gate.calls) == 1


async def test_a_call_waits_for_its_permit(site: Site) -> None:
    room = site.make_at_twilio()
    patient = upstream(site, read=Rate(per_s=50, burst=1), max_wait_s=5)
    assert await asyncio.gather(*(fetch(patient, room) for _ in range(4))) == [room] * 4
    assert len(site.gate.calls) == 4


async def test_a_call_that_is_not_urgent_gets_only_an_available_permit(site: Site) -> None:
    room = site.make_at_twilio()
    patient = upstream(site, read=Rate(per_s=10, burst=1), max_wait_s=60)
    await fetch(patient, room, is_urgent=False)
    with pytest.raises(QuotaExceeded):
        await fetch(patient, room, is_urgent=False)


async def test_reads_and_writes_have_separate_rates(site: Site) -> None:
    spent = upstream(site, read=Rate(per_s=0.1, burst=1))
    await fetch(spent, site.make_at_twilio())
    assert await create(spent)


async def test_a_call_is_sent_again_after_the_pause_that_follows_a_429(site: Site) -> None:
    room = site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=429))
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(
            fetch(upstream(site, max_wait_s=5, timings=UpstreamTimings(pause_s=0.03)), room)
        )
        await wait_until(lambda: len(site.gate.calls) == 1)
        site.calm()
    assert fetching.result() == room


async def test_a_429_pauses_every_replica(site: Site) -> None:
    room = site.make_at_twilio()
    here, there = upstream(site), upstream(site)
    site.sandbox.faults.add(Fault(status=429, retry_after_s=50))
    with pytest.raises(QuotaExceeded):
        await fetch(here, room)
    site.calm()
    with pytest.raises(QuotaExceeded) as refused:
        await fetch(there, room)
    assert 40_000 <= (refused.value.retry_after_ms or 0) <= 50_000
    assert len(site.gate.calls) == 1
    assert await create(there), "writes have a rate of their own"


async def test_an_account_with_too_many_rooms_fails_at_once_and_causes_no_pause(site: Site) -> None:
    """53119 is no 429: waiting does not help, and other writes may go on."""
    async with Sandbox([site.sandbox.accounts[0]], capacity=Capacity(rooms=1)) as full:
        patient = upstream(site, max_wait_s=5, url=full.url)
        made = await create(patient)
        with pytest.raises(QuotaExceeded) as refused:
            await create(patient)
        assert refused.value.twilio is not None
        assert refused.value.twilio.code == 53119
        assert full.call_log.peak()["write"] == 2
        ended = await patient.send(complete_room(RoomSid(made)))
    assert ended.sid == made


async def test_other_failures_are_not_retried(site: Site) -> None:
    with pytest.raises(NotFound):
        await fetch(upstream(site, max_wait_s=60), sid(1))
    assert len(site.gate.calls) == 1


async def test_cancelling_a_call_cancels_its_request(site: Site) -> None:
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(fetch(upstream(site), sid(1)))
        await wait_until(lambda: site.gate.waiting == 1)
        fetching.cancel()
        await wait_until(lambda: site.gate.left == 1)


async def test_a_read_without_an_answer_ends_at_its_timeout(site: Site) -> None:
    site.gate.close()
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await fetch(upstream(site, timings=UpstreamTimings(read_s=0.03)), sid(1))
    assert time.monotonic() - begun >= 0.03


async def test_refusals_in_a_row_cost_no_command_to_redis(site: Site) -> None:
    room = site.make_at_twilio()
    slow = upstream(site, read=Rate(per_s=0.1, burst=1))
    await fetch(slow, room)
    with pytest.raises(QuotaExceeded):
        await fetch(slow, room)
    before = (await site.connections.commands.info("commandstats"))["cmdstat_evalsha"]["calls"]
    for _ in range(20):
        with pytest.raises(QuotaExceeded) as refused:
            await fetch(slow, room)
        assert 0 < (refused.value.retry_after_ms or 0) <= 10_000
    assert (await site.connections.commands.info("commandstats"))["cmdstat_evalsha"][
        "calls"
    ] == before


async def test_a_comparison_waits_for_a_permit_of_its_own_part(site: Site) -> None:
    room = site.make_at_twilio()
    slow = upstream(site, reconcile=Rate(per_s=20, burst=1))
    begun = time.monotonic()
    for _ in range(3):
        assert (await slow.compare(fetch_room(room))).sid == room
    assert time.monotonic() - begun >= 0.09
    assert await fetch(slow, room), "the callers' rate is not affected"


async def test_p7_a_comparison_gets_its_part_while_callers_use_up_the_rate(site: Site) -> None:
    room = site.make_at_twilio()
    spent = upstream(site, read=Rate(per_s=20, burst=1), max_wait_s=5)
    listing = list_rooms(RoomFilter(), 5)
    async with asyncio.TaskGroup() as group:
        lists = [group.create_task(spent.send(listing)) for _ in range(20)]
        await wait_until(lambda: spent.permit_queues["read"].waiting(Priority.LIST) >= 15)
        assert (await spent.compare(fetch_room(room))).sid == room
        assert sum(task.done() for task in lists) < 10
        for task in lists:
            task.cancel()


async def test_a_comparison_is_refused_when_its_permit_would_come_too_late(site: Site) -> None:
    room = site.make_at_twilio()
    slow = upstream(site, reconcile=Rate(per_s=0.1, burst=1))
    await slow.compare(fetch_room(room))
    with pytest.raises(QuotaExceeded):
        await slow.compare(fetch_room(room))
    assert len(site.gate.calls) == 1
