import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from gateway.core.errors import DeadlineExceeded, NotFound, QuotaExceeded
from gateway.core.limits.fairness import Priority
from gateway.core.limits.rate_limit import Rate, TwilioQuota
from gateway.core.rooms import NewRoom, RoomFilter, RoomSid
from gateway.sandbox.faults.injector import Fault
from gateway.sandbox.server import Sandbox
from gateway.sandbox.world.world import Capacity
from gateway.service import call_context
from gateway.service.call_context import CallContext, MaxAge
from gateway.service.upstream.upstream import AccountQuota, Upstream
from gateway.store.limiter import Concurrency, Limiter
from gateway.twilio.client import TwilioVideo
from gateway.twilio.wire.rooms import complete_room, create_room, fetch_room, list_rooms
from tests.service.conftest import ACCOUNT, ANYBODY, Site, sid, until

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
    patience_s: float = 0.0,
    url: str | None = None,
) -> Upstream:
    token = site.sandbox.auth_token
    twilio = TwilioVideo(
        site.session, url or site.gate.url, "http://insights.invalid", ACCOUNT, ACCOUNT, token
    )
    budget = AccountQuota(
        TwilioQuota(1_000, read), TwilioQuota(1_000, write), reconcile, CONCURRENCY, patience_s
    )
    OPEN.append(
        Upstream(twilio, Limiter(site.connections, ACCOUNT, CONCURRENCY), budget, lambda: 1)
    )
    return OPEN[-1]


async def fetch(upstream: Upstream, room_sid: RoomSid, *, is_urgent: bool = True) -> str:
    return (await upstream.send(fetch_room(room_sid), is_urgent=is_urgent)).sid


async def create(upstream: Upstream, name: str | None = None) -> str:
    return (
        await upstream.send(create_room(NewRoom(unique_name=name), "https://rooms.example/"))
    ).sid


async def test_a_call_is_given_the_client_and_its_limit(site: Site) -> None:
    room = site.make_at_twilio()
    assert await fetch(upstream(site), room) == room


async def test_what_is_over_the_rate_is_refused_and_never_sent(site: Site) -> None:
    room = site.make_at_twilio()
    slow = upstream(site, read=Rate(per_s=0.1, burst=1))
    await fetch(slow, room)
    with pytest.raises(QuotaExceeded) as refused:
        await fetch(slow, room)
    assert 9_000 <= (refused.value.retry_after_ms or 0) <= 10_000
    assert len(site.gate.calls) == 1


async def test_a_call_waits_for_its_turn_within_its_patience(site: Site) -> None:
    room = site.make_at_twilio()
    patient = upstream(site, read=Rate(per_s=50, burst=1), patience_s=5)
    assert await asyncio.gather(*(fetch(patient, room) for _ in range(4))) == [room] * 4
    assert len(site.gate.calls) == 4


async def test_what_is_not_urgent_takes_a_turn_only_when_one_is_free(site: Site) -> None:
    room = site.make_at_twilio()
    patient = upstream(site, read=Rate(per_s=10, burst=1), patience_s=60)
    await fetch(patient, room, is_urgent=False)
    with pytest.raises(QuotaExceeded):
        await fetch(patient, room, is_urgent=False)


async def test_reads_and_writes_have_budgets_of_their_own(site: Site) -> None:
    spent = upstream(site, read=Rate(per_s=0.1, burst=1))
    await fetch(spent, site.make_at_twilio())
    assert await create(spent)


async def test_a_429_is_waited_out_within_patience(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.service.upstream.upstream.PAUSE_MS", 30)
    room = site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=429))
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(fetch(upstream(site, patience_s=5), room))
        await until(lambda: len(site.gate.calls) == 1)
        site.calm()
    assert fetching.result() == room


async def test_a_429_holds_every_replica_back(site: Site) -> None:
    room = site.make_at_twilio()
    here, there = upstream(site), upstream(site)
    site.sandbox.faults.add(Fault(status=429, retry_after_s=7))
    with pytest.raises(QuotaExceeded):
        await fetch(here, room)
    site.calm()
    with pytest.raises(QuotaExceeded) as refused:
        await fetch(there, room)
    assert 6_000 <= (refused.value.retry_after_ms or 0) <= 7_000
    assert len(site.gate.calls) == 1
    assert await create(there), "writes have a quota of their own"


async def test_an_account_full_of_rooms_is_told_at_once_and_holds_nobody_back(site: Site) -> None:
    """53119 is no 429: waiting does not mend it, and other writes are free to go on."""
    async with Sandbox([site.sandbox.accounts[0]], capacity=Capacity(rooms=1)) as full:
        patient = upstream(site, patience_s=5, url=full.url)
        made = await create(patient)
        with pytest.raises(QuotaExceeded) as refused:
            await create(patient)
        assert refused.value.twilio is not None
        assert refused.value.twilio.code == 53119
        assert full.call_log.peak()["write"] == 2
        ended = await patient.send(complete_room(RoomSid(made)))
    assert ended.sid == made


async def test_other_failures_are_not_tried_again(site: Site) -> None:
    with pytest.raises(NotFound):
        await fetch(upstream(site, patience_s=60), sid(1))
    assert len(site.gate.calls) == 1


async def test_a_caller_who_leaves_takes_his_call_from_the_wire(site: Site) -> None:
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(fetch(upstream(site), sid(1)))
        await until(lambda: site.gate.waiting == 1)
        fetching.cancel()
        await until(lambda: site.gate.left == 1)


async def test_a_silent_twilio_is_given_up_in_the_time_a_read_may_take(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.service.upstream.call_policy.READ_S", 0.03)
    site.gate.close()
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await fetch(upstream(site), sid(1))
    assert time.monotonic() - begun >= 0.03


async def test_a_crowd_that_is_refused_asks_redis_once(site: Site) -> None:
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


async def test_a_comparison_waits_for_a_turn_in_its_own_share(site: Site) -> None:
    room = site.make_at_twilio()
    slow = upstream(site, reconcile=Rate(per_s=20, burst=1))
    begun = time.monotonic()
    for _ in range(3):
        assert (await slow.compare(fetch_room(room))).sid == room
    assert time.monotonic() - begun >= 0.09
    assert await fetch(slow, room), "the callers' budget has nothing to do with it"


async def test_p7_a_comparison_has_its_share_while_callers_want_all_there_is(site: Site) -> None:
    room = site.make_at_twilio()
    spent = upstream(site, read=Rate(per_s=20, burst=1), patience_s=5)
    listing = list_rooms(RoomFilter(), 5)
    async with asyncio.TaskGroup() as group:
        lists = [group.create_task(spent.send(listing)) for _ in range(20)]
        await until(lambda: spent.waiting(Priority.LIST) >= 15)
        assert (await spent.compare(fetch_room(room))).sid == room
        assert sum(task.done() for task in lists) < 10
        for task in lists:
            task.cancel()


async def test_a_comparison_is_refused_when_its_turn_would_come_too_late(site: Site) -> None:
    room = site.make_at_twilio()
    slow = upstream(site, reconcile=Rate(per_s=0.1, burst=1))
    await slow.compare(fetch_room(room))
    with pytest.raises(QuotaExceeded):
        await slow.compare(fetch_room(room))
    assert len(site.gate.calls) == 1


async def test_what_is_left_is_not_to_be_kept(site: Site) -> None:
    max_age = MaxAge()
    with call_context.entered(CallContext(max_age=max_age)):
        await upstream(site).quota(ANYBODY)
    assert max_age.fresh_s == 0
