"""The first part runs over every kind of resource, the second one over those below a
room."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from gateway.core.caching import (
    MISSING_NAME_S,
    MISSING_SID_S,
    PARTICIPANTS_LIFETIME,
    FreshnessSource,
    ReadResult,
)
from gateway.core.errors import (
    InvalidArgument,
    NotFound,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.core.events import RoomEventType
from gateway.core.participants import Participant, ParticipantFilter, ParticipantStatus
from gateway.core.rooms import RoomSid
from gateway.sandbox.faults.injector import Fault
from gateway.service.accounts import Account
from gateway.service.cache.early_refresh import EarlyRefresh
from gateway.service.cache.resources import CachedQuery
from gateway.service.cache.timings import CacheTimings
from gateway.service.log.timings import LogTimings
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.leases import Leases
from gateway.twilio.wire import participants
from gateway.twilio.wire.resource import WirePage
from tests.service.cache.kinds import (
    KINDS,
    PARTICIPANTS,
    Kind,
    by_identity,
    by_sid,
    listing,
    without_redis,
)
from tests.service.conftest import (
    ACCOUNT,
    Confined,
    Site,
    event,
    shift_clock,
    sid,
    wait_until,
    wait_until_async,
)

CONNECTED = RoomEventType.PARTICIPANT_CONNECTED
SILENT = Fault(status=503)
HOT_READS = CacheTimings().hot_reads
MISSING = "PA" + "0" * 32


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def flights(*accounts: Account) -> int:
    return sum(len(account.reads._flights._calls) for account in accounts)


async def refreshing(site: Site, kind: Kind, account: Account, room: RoomSid) -> None:
    """Reads until a refresh waits at the closed gate. On a busy machine, a refresh may
    give up: it does not wait for a permit."""

    async def is_refreshing() -> bool:
        await kind.read(account, room)
        return site.gate.waiting == 1

    await wait_until_async(is_refreshing)


async def test_a_second_read_uses_memory_and_another_replica_uses_redis(
    site: Site, kind: Kind
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    for account in (here, here, there, there):
        assert await kind.value(account, room) == kind.before
    assert len(site.gate.calls) == 1


async def test_concurrent_reads_share_one_call(site: Site, kind: Kind) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await asyncio.gather(*(kind.read(account, room) for _ in range(20)))
    assert len(site.gate.calls) == 1


async def test_i18_three_replicas_that_miss_at_once_send_one_request(
    site: Site, kind: Kind
) -> None:
    accounts = [await site.replica() for _ in range(3)]
    room = site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        reads = [group.create_task(kind.value(account, room)) for account in accounts * 5]
        await wait_until(lambda: site.gate.waiting == 1)
        site.gate.open()
    assert [task.result() for task in reads] == [kind.before] * 15
    assert len(site.gate.calls) == 1


async def test_an_event_makes_a_value_outdated_on_every_replica(site: Site, kind: Kind) -> None:
    here, there = await site.replica(), await site.replica()
    room, other = site.make_at_twilio(), site.make_at_twilio()
    for account in (here, there):
        assert await kind.value(account, room) == kind.before
        assert await kind.value(account, other) == kind.before
    kind.change(site, room)
    kind.change(site, other)
    await site.append(kind.touch(room))
    for account in (here, there):
        assert await kind.value(account, room) == kind.after
        assert await kind.value(account, other) == kind.before
    calls = len(site.gate.calls)
    await site.append(event(RoomEventType.RECORDING_STARTED, room))
    assert await kind.value(here, room) == kind.after
    assert len(site.gate.calls) == calls


async def test_a_read_after_an_event_does_not_join_a_fetch_from_before_it(
    site: Site, kind: Kind
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        before = group.create_task(kind.value(here, room))
        await wait_until(lambda: site.gate.waiting == 1)
        await site.append(kind.touch(room))
        after = group.create_task(kind.value(here, room))
        await wait_until(lambda: site.gate.waiting == 2)
        kind.change(site, room)
        site.gate.open()
    assert before.result() in (kind.before, kind.after)
    assert after.result() == kind.after
    for account in (here, there):
        assert await kind.value(account, room) == kind.after


async def test_a_read_after_an_event_does_not_wait_for_another_replicas_fetch_from_before_it(
    site: Site, kind: Kind
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        group.create_task(kind.read(here, room))
        await wait_until(lambda: site.gate.waiting == 1)
        await site.append(kind.touch(room))
        after = group.create_task(kind.value(there, room))
        await wait_until(lambda: site.gate.waiting == 2)
        site.gate.open()
    assert after.result() == kind.before


async def test_the_answer_of_a_fetch_that_an_event_overtook_is_not_cached(
    site: Site, kind: Kind
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        group.create_task(kind.read(account, room))
        await wait_until(lambda: site.gate.waiting == 1)
        await site.append(kind.touch(room))
        site.gate.open()
    calls = len(site.gate.calls)
    await kind.read(account, room)
    assert len(site.gate.calls) == calls + 1


async def test_memory_knows_of_an_event_that_redis_has_lost(
    site: Site, connections: Connections, kind: Kind
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    assert await kind.value(account, room) == kind.before
    kind.change(site, room)
    await site.append(kind.touch(room))
    await connections.commands.delete(Keys(ACCOUNT).versions(room))
    assert await kind.value(account, room) == kind.after


async def test_redis_knows_of_an_event_that_this_replica_has_not_received(
    site: Site, kind: Kind
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    assert await kind.value(here, room) == kind.before
    site.tails[1].cancel()
    await asyncio.wait(site.tails[1:])
    kind.change(site, room)
    await site.log.append(kind.touch(room), "not received")
    assert await kind.value(there, room) == kind.after


async def test_a_stale_value_is_served_and_refreshed_in_the_background(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    before = await kind.read(account, room)
    kind.change(site, room)
    shift_clock(monkeypatch, kind.lifetime.fresh_until_s + 1)
    site.gate.close()
    assert await kind.read(account, room) == before
    assert await kind.read(account, room) == before
    await refreshing(site, kind, account, room)
    site.gate.open()
    await wait_until(lambda: not flights(account))
    after = await kind.read(account, room)
    assert after.value == kind.after
    assert after.freshness.fetch_time > before.freshness.fetch_time
    assert len(site.gate.calls) == 2


async def test_a_refresh_is_left_to_the_replica_that_has_started_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    accounts = [await site.replica() for _ in range(3)]
    room = site.make_at_twilio()
    for account in accounts:
        await kind.read(account, room)
    shift_clock(monkeypatch, kind.lifetime.fresh_until_s + 1)
    site.gate.close()
    await refreshing(site, kind, accounts[0], room)
    for account in accounts:
        assert await kind.value(account, room) == kind.before
    await wait_until(lambda: flights(*accounts) == 1)
    site.gate.open()
    await wait_until(lambda: not flights(*accounts))
    assert len(site.gate.calls) == 2


@pytest.mark.parametrize("reads", [HOT_READS, HOT_READS + 1])
async def test_only_a_value_with_many_readers_is_refreshed_before_it_is_stale(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: Kind, reads: int
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    account.reads._early_refresh = EarlyRefresh(rand=lambda: 0.0)
    await kind.read(account, room)
    shift_clock(monkeypatch, 1)
    site.gate.close()
    for _ in range(reads):
        assert await kind.value(account, room) == kind.before
    if reads > HOT_READS:
        await refreshing(site, kind, account, room)
    site.gate.open()
    await wait_until(lambda: not flights(account))
    assert len(site.gate.calls) == (2 if reads > HOT_READS else 1)
    # The refresh resets the count.
    shift_clock(monkeypatch, 1)
    calls = len(site.gate.calls)
    await kind.read(account, room)
    await wait_until(lambda: not flights(account))
    assert len(site.gate.calls) == (calls if reads > HOT_READS else 2)


async def test_a_value_that_was_fetched_right_after_an_event_is_fetched_again_a_second_later(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """Twilio's REST API lags its own callbacks."""
    account, room = await site.replica(), site.make_at_twilio()
    await site.append(kind.touch(room))
    assert await kind.value(account, room) == kind.before
    kind.change(site, room)
    shift_clock(monkeypatch, 1.1)
    assert await kind.value(account, room) == kind.after


async def test_while_twilio_is_silent_memory_or_redis_stands_in_flagged_as_stale(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    assert not (await kind.read(here, room)).freshness.is_stale
    if kind is KINDS["a list"]:
        # Redis does not keep lists for this.
        await kind.read(there, room)
    shift_clock(monkeypatch, kind.lifetime.refresh_until_s + 1)
    site.sandbox.faults.add(SILENT)
    for account in (here, there):
        result = await kind.read(account, room)
        assert (result.value, result.freshness.is_stale) == (kind.before, True)
    shift_clock(monkeypatch, kind.lifetime.stand_in_until_s)
    for account in (here, there):
        with pytest.raises(UpstreamUnavailable):
            await kind.read(account, room)


async def test_an_outdated_value_stands_in_while_twilio_is_silent(site: Site, kind: Kind) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    assert not (await kind.read(here, room)).freshness.is_stale
    await site.append(kind.touch(room))
    site.sandbox.faults.add(SILENT)
    for account in (here, there):
        assert (await kind.read(account, room)).freshness.is_stale


async def test_i10_silence_brings_back_nothing_older_than_this_replica_returned(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await kind.read(account, room)
    # What another replica fetched, and Redis did not replace by what this one fetches.
    key = Keys(ACCOUNT).cached(kind.key(room))
    older: Any = await site.connections.commands.get(key)
    shift_clock(monkeypatch, kind.lifetime.refresh_until_s + 1)
    before = await kind.read(account, room)
    await site.connections.commands.set(key, older)
    site.sandbox.faults.add(SILENT)
    shift_clock(monkeypatch, kind.lifetime.refresh_until_s + 1)
    result = await kind.read(account, room)
    assert result == replace(before, freshness=replace(before.freshness, is_stale=True))


@pytest.mark.parametrize("status", [403, 401])
async def test_a_refusal_by_twilio_is_raised_and_not_cached(
    site: Site, kind: Kind, status: int
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=status))
    with pytest.raises(UpstreamRejected):
        await kind.read(account, room)
    site.calm()
    assert await kind.value(account, room) == kind.before


async def test_without_redis_memory_answers_flagged_and_other_values_come_from_twilio(
    site: Site, kind: Kind
) -> None:
    site.log_timings = LogTimings()
    dead = Connections("redis://127.0.0.1:1")
    account = await site.replica()
    room, cold = site.make_at_twilio(), site.make_at_twilio()
    assert not (await kind.read(account, room)).freshness.is_stale
    site.tails[0].cancel()
    await asyncio.wait(site.tails)
    site.tails.clear()
    without_redis(account, dead)
    # Until memory may lag the log, it answers as if nothing were wrong.
    await wait_until(lambda: not account.reads._room_memory.is_current)
    assert (await kind.read(account, room)).freshness.is_stale
    assert len(site.gate.calls) == 1
    await account.reads.warm([listing(room)], 50)
    assert (await kind.read(account, cold)).freshness.is_stale
    assert len(site.gate.calls) == 2
    await dead.aclose()


async def test_without_redis_an_outdated_value_is_fetched_again(site: Site, kind: Kind) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    dead = Connections("redis://127.0.0.1:1")
    await kind.read(account, room)
    kind.change(site, room)
    await site.append(kind.touch(room))
    without_redis(account, dead)
    result = await kind.read(account, room)
    assert (result.value, result.freshness.is_stale) == (kind.after, True)
    await dead.aclose()


async def test_i10_an_answer_without_redis_is_followed_by_nothing_older(
    site: Site, kind: Kind
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    await kind.read(there, room)
    dead = Connections("redis://127.0.0.1:1")
    without_redis(here, dead)
    first = await kind.read(here, room)
    without_redis(here, site.connections)
    after = await kind.read(here, room)
    assert after.freshness.fetch_time >= first.freshness.fetch_time
    await dead.aclose()


async def test_a_value_that_redis_refuses_is_returned_all_the_same(
    confined: Confined, site: Site, kind: Kind
) -> None:
    account, room = await site.replica(confined.connections), site.make_at_twilio()
    await confined.keep("~*:log*", "~*:rate:*", "~*:v", "~*:end", "~*:seen:*", "%R~*:cache:*")
    first, second = await kind.read(account, room), await kind.read(account, room)
    assert (first.value, second.value) == (kind.before, kind.before)
    # Redis knows of a room's end: without it, the end may have been missed.
    assert first.freshness.is_stale is (kind is KINDS["a room"])
    assert len(site.gate.calls) == 1
    assert [key async for key in site.connections.commands.scan_iter("*:cache:*")] == []


async def test_p11_when_the_fetching_replica_dies_another_one_fetches(
    site: Site, kind: Kind
) -> None:
    accounts = [await site.replica() for _ in range(3)]
    room = site.make_at_twilio()
    # A lease that is neither renewed nor released.
    leases = Leases(site.connections, ACCOUNT)
    await leases.take(f"fetch:{kind.key(room)}:0", "a dead replica", 50)
    async with asyncio.TaskGroup() as group:
        reads = [group.create_task(kind.value(account, room)) for account in accounts]
    assert [task.result() for task in reads] == [kind.before] * 3
    assert len(site.gate.calls) == 1


async def test_a_fetch_is_cancelled_when_its_last_waiter_leaves(site: Site, kind: Kind) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.gate.close()
    readers = [site.tasks.create_task(kind.read(account, room)) for _ in range(2)]
    await wait_until(lambda: site.gate.waiting == 1)
    for reader, left in zip(readers, (0, 1), strict=True):
        reader.cancel()
        await asyncio.wait([reader])
        await wait_until(lambda left=left: site.gate.left == left)  # type: ignore[misc]
    assert len(site.gate.calls) == 1


async def test_closing_cancels_a_refresh(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await kind.read(account, room)
    shift_clock(monkeypatch, kind.lifetime.fresh_until_s + 1)
    site.gate.close()
    await refreshing(site, kind, account, room)
    await account.reads.aclose()
    await wait_until(lambda: site.gate.left == 1)


# Below a room.


@pytest.mark.parametrize(
    ("query", "missing_s"),
    [
        (partial(by_sid, participant=MISSING), MISSING_SID_S),
        (partial(by_identity, identity="ada"), MISSING_NAME_S),
    ],
    ids=["by SID", "by identity"],
)
async def test_not_found_is_remembered_for_a_moment(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    query: Callable[[RoomSid], CachedQuery[Participant]],
    missing_s: float,
) -> None:
    here, there = await site.replica(), await site.replica()
    missing = query(site.make_at_twilio())
    for account in (here, here, there):
        assert await account.reads.one_or_none(missing) is None
        with pytest.raises(NotFound):
            await account.reads.one(missing)
    assert len(site.gate.calls) == 1
    shift_clock(monkeypatch, missing_s)
    assert await here.reads.one_or_none(missing) is None
    assert len(site.gate.calls) == 2


async def test_not_found_is_not_remembered_right_after_an_event(site: Site) -> None:
    """Twilio's REST API answers 404 for a while for what its own callback has
    reported."""
    account, room = await site.replica(), site.make_at_twilio()
    await site.append(event(CONNECTED, room))
    assert await account.reads.one_or_none(by_identity(room, "ada")) is None
    site.join(room, "ada")
    assert await account.reads.one_or_none(by_identity(room, "ada")) is not None


async def test_an_old_participant_stands_in_on_a_replica_that_has_only_redis(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    query = by_sid(room, site.join(room, "ada").sid)
    await here.reads.one(query)
    shift_clock(monkeypatch, PARTICIPANTS_LIFETIME.refresh_until_s + 1)
    site.sandbox.faults.add(SILENT)
    assert (await there.reads.one(query)).freshness.is_stale


async def test_a_list_and_a_look_up_by_name_share_a_request_but_no_value(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")
    found = by_identity(room, "ada")
    listed = CachedQuery(
        PARTICIPANTS,
        room,
        participants.list_participants(room, ParticipantFilter(identity="ada"), 20, None),
    )
    assert (found.request.path, found.request.query) == (listed.request.path, listed.request.query)
    for _ in range(2):
        assert isinstance((await account.reads.one(listed)).value, WirePage)
        assert isinstance((await account.reads.one(found)).value, Participant)


async def test_the_target_of_a_change_is_read_past_the_cache(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")
    query = by_identity(room, "ada")
    first = await account.reads.one(query)
    # Joining again under the same identity ends the first stay. The room has no
    # callback.
    again = site.join(room, "ada")
    found = await account.reads.from_twilio(query)
    assert found is not None
    assert found.value.sid == again.sid != first.value.sid
    assert (await account.reads.one(query)).value.sid == again.sid


async def test_i16_memory_keeps_the_values_that_were_used_last(site: Site) -> None:
    first, room = await site.replica(), site.make_at_twilio()
    queries = [by_sid(room, site.join(room, f"number {number}").sid) for number in range(4)]
    await first.reads.one(queries[0])
    limit = first.reads._memory._entries.size * 3 + 30
    site.cache_timings = CacheTimings(memory_bytes=limit)
    account = await site.replica()
    for number in (0, 1, 2, 0, 3):
        await account.reads.one(queries[number])
    memory = account.reads._memory._entries
    assert list(memory) == [queries[number].key.name for number in (2, 0, 3)]
    assert 0 < memory.size <= limit


async def test_redis_keeps_lists_only_while_they_may_be_served_stale(
    site: Site, connections: Connections
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    one = by_sid(room, site.join(room, "ada").sid)
    await account.reads.one(one)
    many = listing(room).page_query(50, None)
    await account.reads.one(many)
    lifetimes_ms = [
        await connections.commands.pttl(Keys(ACCOUNT).cached(query.key.name))
        for query in (one, many)
    ]
    assert (
        PARTICIPANTS_LIFETIME.refresh_until_s * 1000
        < lifetimes_ms[0]
        <= PARTICIPANTS_LIFETIME.stand_in_until_s * 1000
    )
    assert 0 < lifetimes_ms[1] <= PARTICIPANTS_LIFETIME.refresh_until_s * 1000


async def test_warm_copies_lists_from_redis_in_one_round_trip(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    rooms = [site.make_at_twilio() for _ in range(3)]
    for room in rooms[:2]:
        await here.reads.page(listing(room), 50, None)
    site.gate.calls.clear()
    await there.reads.warm([listing(room) for room in rooms], 50)
    assert site.gate.calls == []
    assert len(there.reads._memory._entries) == 2


async def test_pages_follow_each_other_and_a_cursor_stays_with_its_list(site: Site) -> None:
    account, room, other = await site.replica(), site.make_at_twilio(), site.make_at_twilio()
    for number in range(5):
        site.join(room, f"number {number}")
    read, after, has_next = list[str | None](), None, True
    while has_next:
        page = (await account.reads.page(listing(room), 2, after)).value
        read += [participant.identity for _, participant in page.items]
        after, has_next = page.end_cursor, page.has_next_page
    assert read == [f"number {number}" for number in (4, 3, 2, 1, 0)]
    for foreign in (
        listing(other),
        listing(room, identity="ada"),
        listing(room, statuses=(ParticipantStatus.CONNECTED,)),
    ):
        with pytest.raises(InvalidArgument):
            await account.reads.page(foreign, 2, after)


async def test_a_list_of_a_missing_room_is_not_found(site: Site) -> None:
    account = await site.replica()
    for _ in range(2):
        with pytest.raises(NotFound):
            await account.reads.page(listing(sid(99)), 2, None)
    assert len(site.gate.calls) == 1


async def test_a_value_says_how_fresh_it_is_and_where_it_came_from(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    query = by_sid(room, site.join(room, "ada").sid)
    result: ReadResult[Participant] = await account.reads.one(query)
    assert (result.freshness.source, result.freshness.is_stale) == (FreshnessSource.POLLED, False)
    assert result.as_of is not None
    await site.append(event(CONNECTED, room))
    freshness = (await account.reads.one(query)).freshness
    assert (freshness.source, freshness.is_stale) == (FreshnessSource.CALLBACKS, False)
