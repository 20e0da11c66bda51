import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from pydantic import HttpUrl

from gateway.core.caching import FreshnessSource
from gateway.core.errors import (
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.core.events import RoomEventType
from gateway.core.rooms import Room, RoomFilter, RoomSid, RoomStatus, RoomType
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.accounts import Account
from gateway.service.cache import early_refresh
from gateway.service.cache import fetch_lease as fetch_lease
from gateway.service.cache.timings import CacheTimings
from gateway.service.log.timings import LogTimings
from gateway.store.cache import CacheEntry, ResponseCache, RoomIndex
from gateway.store.connection import Connections
from gateway.store.leases import Leases
from tests.service.conftest import (
    ACCOUNT,
    ANYBODY,
    Confined,
    Site,
    event,
    later,
    ref,
    sid,
    some_room,
    status,
    until,
)

CREATED, ENDED = RoomEventType.ROOM_CREATED, RoomEventType.ROOM_ENDED
COMPLETED, IN_PROGRESS = RoomStatus.COMPLETED, RoomStatus.IN_PROGRESS
SILENT = Fault(status=503)
HOT_READS = CacheTimings().hot_reads


def without_redis(account: Account, dead: Connections) -> None:
    account.reads._cache = ResponseCache(dead, ACCOUNT)
    account.rooms._reads._index = RoomIndex(dead, ACCOUNT)


async def test_a_second_read_asks_nobody(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    for _ in range(3):
        assert await status(account, room) is IN_PROGRESS
    assert len(site.gate.calls) == 1


async def test_another_replica_finds_it_in_redis(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    assert [await status(account, room) for account in (here, there)] == [IN_PROGRESS] * 2
    assert len(site.gate.calls) == 1


async def test_a_read_joins_no_flight_that_began_before_the_event_that_woke_it(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        before = group.create_task(status(account, room))
        await until(lambda: site.gate.waiting == 1)
        await site.tell(event(CREATED, room))
        after = group.create_task(status(account, room))
        await until(lambda: site.gate.waiting == 2)
        site.gate.open()
    assert before.result() is after.result() is IN_PROGRESS


@pytest.mark.parametrize("is_there", [True, False])
async def test_an_answer_that_redis_does_not_take_any_more_is_shown_all_the_same(
    confined: Confined, site: Site, is_there: bool
) -> None:
    """Redis went away while Twilio was asked: nobody can say what other replicas have heard meanwhile."""
    account = await site.replica(confined.connections)
    room = site.make_at_twilio() if is_there else sid(7)
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(account.rooms.room(ANYBODY, ref(room)))
        await until(lambda: site.gate.waiting == 1)
        await confined.keep("%R~*:log*")
        site.gate.open()
    seen = fetching.result()
    assert (seen is not None) is is_there
    assert seen is None or seen.freshness.is_stale


async def test_twilios_answer_is_shown_and_not_redis_older_one_though_redis_goes_and_an_event_comes(
    confined: Confined, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = await site.replica(), await site.replica(confined.connections)
    room = site.make_at_twilio()
    assert await status(there, room) is IN_PROGRESS
    later(monkeypatch, 60)
    site.end_at_twilio(room)
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(here.rooms.room(ANYBODY, ref(room)))
        await until(lambda: site.gate.waiting == 1)
        await site.tell(event(CREATED, room))
        await confined.keep("%R~*:log*")
        site.gate.open()
    seen = fetching.result()
    assert seen is not None
    assert seen.value.status is COMPLETED
    assert seen.freshness.is_stale


async def test_a_fetch_that_began_before_the_end_shows_the_end_and_is_kept_by_nobody(
    site: Site,
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(status(here, room))
        await until(lambda: site.gate.waiting == 1)
        # Logged, while Twilio's REST goes on to say in progress.
        await site.tell(event(ENDED, room))
        site.gate.open()
    assert fetching.result() is COMPLETED
    for account in (here, there):
        assert await status(account, room) is COMPLETED
        assert await status(account, room) is COMPLETED


@pytest.mark.parametrize("by", ["sid", "name", "list", "own complete"])
async def test_i9_an_ended_room_is_ended_however_it_is_asked_for_while_rest_lags(
    site: Site, by: str
) -> None:
    here, there = await site.replica(), await site.replica()
    room = await site.create(here, "daily")
    for account in (here, there):
        assert await status(account, "daily") is IN_PROGRESS
    if by == "own complete":
        await there.rooms.complete(ANYBODY, ref("daily"))
        await site.heard((await site.log.open()).position.n)
    else:
        # The sandbox still has it in progress: so late is its REST.
        await site.tell(event(ENDED, room.sid, room_name="daily"))
    for account in (here, there):
        if by == "name":
            assert await status(account, "daily") is None
        elif by == "list":
            page = (await account.rooms.rooms(ANYBODY, RoomFilter(), 50, None)).value
            assert page.items == ()
        else:
            assert await status(account, room.sid) is COMPLETED


async def test_i10_an_answer_that_was_under_way_shows_nothing_older_than_one_given_meanwhile(
    site: Site,
) -> None:
    here, there = (
        await site.replica(),
        await site.replica(twilio_video_base_url=HttpUrl(site.sandbox.url)),
    )
    room = site.make_at_twilio("daily")
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        group.create_task(here.rooms.room(ANYBODY, ref("daily")))
        await until(lambda: site.gate.waiting == 1)
        await site.tell(event(room_sid=sid(7)))
        await there.rooms.room(ANYBODY, ref(room))
        shown = await here.rooms.room(ANYBODY, ref(room))
        after = group.create_task(here.rooms.room(ANYBODY, ref("daily")))
        site.gate.open()
    assert shown is not None
    assert after.result() == shown


async def test_a_name_that_was_taken_again_leads_to_the_new_room(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    old = await site.create(here, "daily")
    assert await status(there, "daily") is IN_PROGRESS
    await here.rooms.complete(ANYBODY, ref(old.sid))
    new = await site.create(here, "daily")
    await site.heard((await site.log.open()).position.n)
    for account in (here, there):
        seen = await account.rooms.room(ANYBODY, ref("daily"))
        assert seen is not None
        assert seen.value.sid == new.sid
        assert await status(account, old.sid) is COMPLETED


async def test_a_name_nobody_has_is_asked_for_once_in_a_moment(site: Site) -> None:
    account = await site.replica()
    assert [await status(account, "nobody"), await status(account, "nobody")] == [None, None]
    assert len(site.gate.calls) == 1


async def test_a_sid_nobody_has_is_asked_for_once_in_a_moment(site: Site) -> None:
    account = await site.replica()
    assert [await status(account, sid(1)), await status(account, sid(1))] == [None, None]
    assert len(site.gate.calls) == 1


async def test_a_404_is_forgotten_when_a_callback_tells_of_the_room(site: Site) -> None:
    account = await site.replica()
    assert await status(account, sid(1)) is None
    await site.tell(event(CREATED, sid(1)))
    with pytest.raises(UpstreamUnavailable):
        await status(account, sid(1))


async def test_a_404_of_a_room_just_seen_in_a_callback_is_neither_believed_nor_cached(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET")))
    await site.tell(event(CREATED, room))
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable) as refused:
            await status(account, room)
        assert refused.value.retry_after_ms == 1000
    site.calm()
    assert await status(account, room) is IN_PROGRESS


async def test_a_room_just_seen_in_a_callback_is_shown_as_told_while_twilio_says_404(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET")))
    await site.tell(event(CREATED, room, room_name="daily", room_type=RoomType.GROUP))
    seen = await account.rooms.room(ANYBODY, ref(room))
    assert seen is not None
    assert (seen.value.unique_name, seen.value.status, seen.value.type) == (
        "daily",
        IN_PROGRESS,
        RoomType.GROUP,
    )
    assert (seen.freshness.is_stale, seen.freshness.source) == (True, FreshnessSource.CALLBACKS)
    await site.tell(event(ENDED, room))
    assert await status(account, room) is COMPLETED
    site.calm()
    site.end_at_twilio(room)
    seen = await account.rooms.room(ANYBODY, ref(room))
    assert seen is not None
    assert not seen.freshness.is_stale, (
        "what was told stood in for Twilio's answer only while there was none"
    )


async def test_a_room_that_twilio_showed_before_is_shown_so_while_it_says_404(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()
    room = await site.create(account, "daily")
    before = await account.rooms.room(ANYBODY, ref(room.sid))
    later(monkeypatch, 60)
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET")))
    seen = await account.rooms.room(ANYBODY, ref(room.sid))
    assert before is not None
    assert seen is not None
    assert seen == replace(before, freshness=replace(before.freshness, is_stale=True))


async def test_i10_twilios_silence_brings_back_nothing_older_than_this_replica_showed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await account.rooms.room(ANYBODY, ref(room))
    # Another replica's fetch, which Redis did not keep this one's over.
    key = f"rg:{{{ACCOUNT}}}:cache:room:{room}"
    older = await site.connections.commands.get(key)
    later(monkeypatch, 60)
    before = await account.rooms.room(ANYBODY, ref(room))
    await site.connections.commands.set(key, older)
    site.sandbox.faults.add(SILENT)
    later(monkeypatch, 60)
    seen = await account.rooms.room(ANYBODY, ref(room))
    assert before is not None
    assert seen == replace(before, freshness=replace(before.freshness, is_stale=True))


async def test_a_room_of_which_only_its_people_were_told_is_not_said_to_be_missing(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET")))
    await site.tell(event(room_sid=room))
    with pytest.raises(UpstreamUnavailable):
        await status(account, room)


@pytest.mark.parametrize("fault", [403, 401])
async def test_a_refusal_by_twilio_is_not_cached(site: Site, fault: int) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=fault))
    with pytest.raises(UpstreamRejected):
        await status(account, room)
    site.calm()
    assert await status(account, room) is IN_PROGRESS


@pytest.mark.parametrize("by_name", [False, True])
async def test_stale_is_served_and_flagged_when_twilio_is_silent(
    site: Site, monkeypatch: pytest.MonkeyPatch, by_name: bool
) -> None:
    account = await site.replica()
    room = await site.create(account, "daily")
    await site.connections.commands.delete(f"rg:{{{ACCOUNT}}}:name:daily")
    site.sandbox.faults.add(SILENT)
    later(monkeypatch, 600)
    seen = await account.rooms.room(ANYBODY, ref("daily" if by_name else room.sid))
    assert seen is not None
    assert seen.freshness.is_stale
    later(monkeypatch, 600)
    with pytest.raises(UpstreamUnavailable):
        await account.rooms.room(ANYBODY, ref("daily" if by_name else room.sid))


async def test_a_stale_answer_comes_at_once_and_is_refreshed_behind(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()
    room = await site.create(account)
    before = await account.rooms.room(ANYBODY, ref(room.sid))
    later(monkeypatch, 10)
    site.gate.close()
    assert await account.rooms.room(ANYBODY, ref(room.sid)) == before
    await until(lambda: site.gate.waiting == 1)
    site.gate.open()
    await until(lambda: not account.reads._flights._flights)
    after = await account.rooms.room(ANYBODY, ref(room.sid))
    assert before is not None
    assert after is not None
    assert after.freshness.fetched_at > before.freshness.fetched_at


async def test_an_outdated_room_shown_for_want_of_an_answer_shows_its_end(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account)
    await site.tell(event(ENDED, room.sid))
    site.sandbox.faults.add(SILENT)
    seen = await account.rooms.room(ANYBODY, ref(room.sid))
    assert seen is not None
    assert (seen.value.status, seen.freshness.is_stale) == (COMPLETED, True)


async def test_the_last_caller_to_leave_takes_the_read_from_the_wire_and_the_first_does_not(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        first, last = (
            group.create_task(status(account, room)),
            group.create_task(status(account, room)),
        )
        await until(lambda: site.gate.waiting == 1)
        for caller, left in ((first, 0), (last, 1)):
            caller.cancel()
            await asyncio.wait([caller])
            await until(lambda left=left: site.gate.left == left)
    assert len(site.gate.calls) == 1


async def test_without_redis_warm_rooms_are_served_flagged(site: Site) -> None:
    site.log_timings = LogTimings()
    dead = Connections("redis://127.0.0.1:1")
    account = await site.replica()
    room = await site.create(account, "daily")
    site.tails[0].cancel()
    await asyncio.wait(site.tails)
    without_redis(account, dead)
    await until(lambda: not account.reads._log.is_current)
    for named in (room.sid, "daily"):
        seen = await account.rooms.room(ANYBODY, ref(named))
        assert seen is not None
        assert seen.freshness.is_stale
    await dead.aclose()


async def test_an_ended_room_is_read_once_more_half_a_minute_after_its_end_and_then_no_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.end_at_twilio(room)
    assert await status(account, room) is COMPLETED
    later(monkeypatch, 31)
    for _ in range(2):
        assert await status(account, room) is COMPLETED
        await until(lambda: not account.reads._flights._flights)
        assert len(site.gate.calls) == 2


@pytest.mark.parametrize("by_name", [False, True])
async def test_i18_three_replicas_that_miss_at_once_ask_twilio_once(
    site: Site, by_name: bool
) -> None:
    accounts = [await site.replica() for _ in range(3)]
    room = site.make_at_twilio("daily")
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(status(account, "daily" if by_name else room))
            for account in accounts * 5
        ]
        await until(lambda: site.gate.waiting == 1)
        site.gate.open()
    assert [task.result() for task in asked] == [IN_PROGRESS] * 15
    assert len(site.gate.calls) == 1


async def test_i18_a_name_nobody_has_is_asked_for_once_too(site: Site) -> None:
    accounts = [await site.replica() for _ in range(3)]
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(status(account, "nobody")) for account in accounts]
        await until(lambda: site.gate.waiting == 1)
        site.gate.open()
    assert [task.result() for task in asked] == [None] * 3
    assert len(site.gate.calls) == 1


async def test_p11_when_the_one_who_asks_dies_another_one_does(site: Site) -> None:
    accounts = [await site.replica() for _ in range(3)]
    room = site.make_at_twilio()
    # The holder: a lease that nobody renews or gives back.
    await Leases(site.connections, ACCOUNT).take(f"fetch:room:{room}:0", "the dead", 50)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(status(account, room)) for account in accounts]
    assert [task.result() for task in asked] == [IN_PROGRESS] * 3
    assert len(site.gate.calls) == 1


async def test_a_read_that_an_event_woke_waits_for_no_other_replicas_fetch_from_before_it(
    site: Site,
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        group.create_task(status(here, room))
        await until(lambda: site.gate.waiting == 1)
        await site.tell(event(CREATED, room))
        after = group.create_task(status(there, room))
        await until(lambda: site.gate.waiting == 2)
        site.gate.open()
    assert after.result() is IN_PROGRESS


async def test_a_refresh_that_another_replica_is_at_is_left_to_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [await site.replica() for _ in range(3)]
    room = site.make_at_twilio()
    for account in accounts:
        await status(account, room)
    later(monkeypatch, 10)
    site.gate.close()
    for account in accounts:
        assert await status(account, room) is IN_PROGRESS
    await until(lambda: sum(len(account.reads._flights._flights) for account in accounts) == 1)
    site.gate.open()
    await until(lambda: not any(account.reads._flights._flights for account in accounts))
    assert len(site.gate.calls) == 2


async def test_i10_what_was_shown_without_redis_is_followed_by_nothing_older(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    await there.rooms.room(ANYBODY, ref(room))
    dead = Connections("redis://127.0.0.1:1")
    without_redis(here, dead)
    shown = await here.rooms.room(ANYBODY, ref(room))
    without_redis(here, site.connections)
    after = await here.rooms.room(ANYBODY, ref(room))
    assert shown is not None
    assert after is not None
    assert after.freshness.fetched_at >= shown.freshness.fetched_at
    await dead.aclose()


async def test_without_redis_a_room_nobody_remembers_is_asked_for_and_flagged(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    dead = Connections("redis://127.0.0.1:1")
    without_redis(account, dead)
    seen = await account.rooms.room(ANYBODY, ref(room))
    assert seen is not None
    assert seen.freshness.is_stale
    assert await account.rooms.room(ANYBODY, ref(sid(7))) is None
    await dead.aclose()


@pytest.mark.parametrize("asked", [HOT_READS, HOT_READS + 1])
async def test_only_what_a_crowd_asks_for_is_fetched_before_it_is_stale(
    site: Site, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await status(account, room)
    monkeypatch.setattr(early_refresh, "is_early_refresh_due", lambda *_: True)
    for _ in range(asked):
        assert await status(account, room) is IN_PROGRESS
    await until(lambda: not account.reads._flights._flights)
    assert len(site.gate.calls) == (2 if asked > HOT_READS else 1)
    # Counted anew from that fetch on.
    await status(account, room)
    assert len(site.gate.calls) == (2 if asked > HOT_READS else 1)


def remember(
    account: Account, number: int, seen_n: int, *, at: float = 0.0, **changes: Any
) -> Room | None:
    """Remembers a room that was fetched at this moment. Returns what may be shown of it."""
    room = some_room(number, **{"unique_name": "daily"} | changes)
    entry = CacheEntry(room, time.time() + at, seen_n, None, is_settled=True)
    return account.rooms._reads.remember(entry).value


def last_named(account: Account, name: str) -> RoomSid | None:
    found = account.rooms._reads._last_named(name)
    return None if found is None else found.value.sid


async def test_the_room_last_seen_in_progress_is_found_under_its_name(site: Site) -> None:
    account = await site.replica()
    n = account.tail.position.n
    remember(account, 1, n)
    assert last_named(account, "daily") == sid(1)
    remember(account, 1, n, at=1.0, status=COMPLETED)
    assert last_named(account, "daily") is None


async def test_a_name_that_is_in_use_again_leads_to_the_newer_room(site: Site) -> None:
    account = await site.replica()
    n = account.tail.position.n
    remember(account, 1, n + 1)
    remember(account, 2, n + 2)
    remember(account, 1, n + 1, at=1.0)
    assert last_named(account, "daily") == sid(2)
    remember(account, 1, n + 1, at=2.0, status=COMPLETED)
    assert last_named(account, "daily") == sid(2)
    account.reads._log.apply(event(ENDED, sid(2), room_name="daily"), n + 3)
    assert last_named(account, "daily") is None


async def test_a_name_is_forgotten_with_its_room(site: Site) -> None:
    account = await site.replica()
    n = account.tail.position.n
    remember(account, 1, n, unique_name="room 1")
    account.reads._memory._entries.clear()
    remember(account, 2, n, unique_name="room 2")
    assert last_named(account, "room 1") is None
    assert last_named(account, "room 2") == sid(2)
