import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from pydantic import HttpUrl

from gateway.core.caching import FreshnessSource
from gateway.core.errors import (
    UpstreamUnavailable,
)
from gateway.core.events import RoomEventType
from gateway.core.rooms import Room, RoomFilter, RoomSid, RoomStatus, RoomType
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.accounts import Account
from gateway.service.log.timings import LogTimings
from gateway.store.cache import CacheEntry
from gateway.store.connection import Connections
from tests.service.cache.kinds import without_redis
from tests.service.conftest import (
    ACCOUNT,
    ADMIN,
    Confined,
    Site,
    event,
    ref,
    shift_clock,
    sid,
    some_room,
    status,
    wait_until,
)

CREATED, ENDED = RoomEventType.ROOM_CREATED, RoomEventType.ROOM_ENDED
COMPLETED, IN_PROGRESS = RoomStatus.COMPLETED, RoomStatus.IN_PROGRESS
SILENT = Fault(status=503)


@pytest.mark.parametrize("is_there", [True, False])
async def test_an_answer_is_returned_flagged_when_redis_goes_away_during_the_fetch(
    confined: Confined, site: Site, is_there: bool
) -> None:
    """Other replicas may have received an event meanwhile."""
    account = await site.replica(confined.connections)
    room = site.make_at_twilio() if is_there else sid(7)
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(account.rooms.room(ADMIN, ref(room)))
        await wait_until(lambda: site.gate.waiting == 1)
        await confined.keep("%R~*:log*")
        site.gate.open()
    result = fetching.result()
    assert (result is not None) is is_there
    assert result is None or result.freshness.is_stale


async def test_twilios_answer_is_returned_though_redis_has_an_older_one_and_an_event_arrives(
    confined: Confined, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = await site.replica(), await site.replica(confined.connections)
    room = site.make_at_twilio()
    assert await status(there, room) is IN_PROGRESS
    shift_clock(monkeypatch, 60)
    site.end_at_twilio(room)
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(here.rooms.room(ADMIN, ref(room)))
        await wait_until(lambda: site.gate.waiting == 1)
        await site.append(event(CREATED, room))
        await confined.keep("%R~*:log*")
        site.gate.open()
    result = fetching.result()
    assert result is not None
    assert result.value.status is COMPLETED
    assert result.freshness.is_stale


async def test_a_fetch_that_began_before_the_end_returns_the_end_and_is_not_cached(
    site: Site,
) -> None:
    here, there = await site.replica(), await site.replica()
    room = site.make_at_twilio()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(status(here, room))
        await wait_until(lambda: site.gate.waiting == 1)
        # Logged, while Twilio's REST API still shows the room in progress.
        await site.append(event(ENDED, room))
        site.gate.open()
    assert fetching.result() is COMPLETED
    for account in (here, there):
        assert await status(account, room) is COMPLETED
        assert await status(account, room) is COMPLETED


@pytest.mark.parametrize("by", ["sid", "name", "list", "our own completeRoom"])
async def test_i9_an_ended_room_is_ended_by_every_way_to_read_it_while_rest_lags(
    site: Site, by: str
) -> None:
    here, there = await site.replica(), await site.replica()
    room = await site.create(here, "daily")
    for account in (here, there):
        assert await status(account, "daily") is IN_PROGRESS
    if by == "our own completeRoom":
        await there.rooms.complete(ADMIN, ref("daily"))
        await site.wait_until_read((await site.log.open()).position.n)
    else:
        # The sandbox still has it in progress, like a REST API that lags.
        await site.append(event(ENDED, room.sid, room_name="daily"))
    for account in (here, there):
        if by == "name":
            assert await status(account, "daily") is None
        elif by == "list":
            page = (await account.rooms.rooms(ADMIN, RoomFilter(), 50, None)).value
            assert page.items == ()
        else:
            assert await status(account, room.sid) is COMPLETED


async def test_i10_a_fetch_in_flight_returns_nothing_older_than_what_was_returned_meanwhile(
    site: Site,
) -> None:
    here, there = (
        await site.replica(),
        await site.replica(twilio_video_base_url=HttpUrl(site.sandbox.url)),
    )
    room = site.make_at_twilio("daily")
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        group.create_task(here.rooms.room(ADMIN, ref("daily")))
        await wait_until(lambda: site.gate.waiting == 1)
        await site.append(event(room_sid=sid(7)))
        await there.rooms.room(ADMIN, ref(room))
        first = await here.rooms.room(ADMIN, ref(room))
        after = group.create_task(here.rooms.room(ADMIN, ref("daily")))
        site.gate.open()
    assert first is not None
    assert after.result() == first


async def test_a_name_that_was_reused_resolves_to_the_new_room(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    old = await site.create(here, "daily")
    assert await status(there, "daily") is IN_PROGRESS
    await here.rooms.complete(ADMIN, ref(old.sid))
    new = await site.create(here, "daily")
    await site.wait_until_read((await site.log.open()).position.n)
    for account in (here, there):
        result = await account.rooms.room(ADMIN, ref("daily"))
        assert result is not None
        assert result.value.sid == new.sid
        assert await status(account, old.sid) is COMPLETED


async def test_an_unused_name_is_remembered_for_a_moment(site: Site) -> None:
    account = await site.replica()
    assert [await status(account, "unused"), await status(account, "unused")] == [None, None]
    assert len(site.gate.calls) == 1


async def test_an_unused_sid_is_remembered_for_a_moment(site: Site) -> None:
    account = await site.replica()
    assert [await status(account, sid(1)), await status(account, sid(1))] == [None, None]
    assert len(site.gate.calls) == 1


async def test_a_404_is_forgotten_when_a_callback_reports_the_room(site: Site) -> None:
    account = await site.replica()
    assert await status(account, sid(1)) is None
    await site.append(event(CREATED, sid(1)))
    with pytest.raises(UpstreamUnavailable):
        await status(account, sid(1))


async def test_a_404_for_a_room_that_a_callback_reported_is_neither_believed_nor_cached(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET")))
    await site.append(event(CREATED, room))
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable) as refused:
            await status(account, room)
        assert refused.value.retry_after_ms == 1000
    site.calm()
    assert await status(account, room) is IN_PROGRESS


async def test_a_room_is_built_from_its_events_while_twilio_answers_404(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET")))
    await site.append(event(CREATED, room, room_name="daily", room_type=RoomType.GROUP))
    result = await account.rooms.room(ADMIN, ref(room))
    assert result is not None
    assert (result.value.unique_name, result.value.status, result.value.type) == (
        "daily",
        IN_PROGRESS,
        RoomType.GROUP,
    )
    assert (result.freshness.is_stale, result.freshness.source) == (True, FreshnessSource.CALLBACKS)
    await site.append(event(ENDED, room))
    assert await status(account, room) is COMPLETED
    site.calm()
    site.end_at_twilio(room)
    result = await account.rooms.room(ADMIN, ref(room))
    assert result is not None
    assert not result.freshness.is_stale, (
        "the room that was built from events stood in only while Twilio did not show it"
    )


async def test_twilios_last_answer_stands_in_while_it_answers_404_for_a_reported_room(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()
    room = await site.create(account, "daily")
    before = await account.rooms.room(ADMIN, ref(room.sid))
    shift_clock(monkeypatch, 60)
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET")))
    result = await account.rooms.room(ADMIN, ref(room.sid))
    assert before is not None
    assert result is not None
    assert result == replace(before, freshness=replace(before.freshness, is_stale=True))


async def test_a_room_is_not_missing_when_only_events_of_participants_reported_it(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET")))
    await site.append(event(room_sid=room))
    with pytest.raises(UpstreamUnavailable):
        await status(account, room)


async def test_without_redis_a_room_is_not_missing_when_participants_reported_it(
    site: Site,
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    await site.append(event(room_sid=room))
    site.sandbox.faults.add(Fault(status=404, match=Match(method="GET")))
    dead = Connections("redis://127.0.0.1:1")
    without_redis(account, dead)
    with pytest.raises(UpstreamUnavailable):
        await status(account, room)
    await dead.aclose()


@pytest.mark.parametrize("by_name", [False, True])
async def test_a_room_stands_in_by_sid_and_by_name_while_twilio_is_silent(
    site: Site, monkeypatch: pytest.MonkeyPatch, by_name: bool
) -> None:
    account = await site.replica()
    room = await site.create(account, "daily")
    await site.connections.commands.delete(f"rg:{{{ACCOUNT}}}:name:daily")
    site.sandbox.faults.add(SILENT)
    shift_clock(monkeypatch, 600)
    result = await account.rooms.room(ADMIN, ref("daily" if by_name else room.sid))
    assert result is not None
    assert result.freshness.is_stale
    shift_clock(monkeypatch, 600)
    with pytest.raises(UpstreamUnavailable):
        await account.rooms.room(ADMIN, ref("daily" if by_name else room.sid))


async def test_an_outdated_room_that_stands_in_is_shown_as_ended(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account)
    await site.append(event(ENDED, room.sid))
    site.sandbox.faults.add(SILENT)
    result = await account.rooms.room(ADMIN, ref(room.sid))
    assert result is not None
    assert (result.value.status, result.freshness.is_stale) == (COMPLETED, True)


async def test_without_redis_known_rooms_are_served_flagged_by_sid_and_by_name(site: Site) -> None:
    site.log_timings = LogTimings()
    dead = Connections("redis://127.0.0.1:1")
    account = await site.replica()
    room = await site.create(account, "daily")
    site.tails[0].cancel()
    await asyncio.wait(site.tails)
    without_redis(account, dead)
    await wait_until(lambda: not account.reads._room_memory.is_current)
    for named in (room.sid, "daily"):
        result = await account.rooms.room(ADMIN, ref(named))
        assert result is not None
        assert result.freshness.is_stale
    await dead.aclose()


async def test_an_ended_room_is_fetched_once_more_30_s_after_its_end_and_then_never_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.end_at_twilio(room)
    assert await status(account, room) is COMPLETED
    shift_clock(monkeypatch, 31)
    for _ in range(2):
        assert await status(account, room) is COMPLETED
        await wait_until(lambda: not account.reads._flights._calls)
        assert len(site.gate.calls) == 2


async def test_i18_three_replicas_that_resolve_a_name_at_once_send_one_request(
    site: Site,
) -> None:
    accounts = [await site.replica() for _ in range(3)]
    site.make_at_twilio("daily")
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        reads = [group.create_task(status(account, "daily")) for account in accounts * 5]
        await wait_until(lambda: site.gate.waiting == 1)
        site.gate.open()
    assert [task.result() for task in reads] == [IN_PROGRESS] * 15
    assert len(site.gate.calls) == 1


async def test_i18_three_replicas_that_resolve_an_unused_name_at_once_send_one_request(
    site: Site,
) -> None:
    accounts = [await site.replica() for _ in range(3)]
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        reads = [group.create_task(status(account, "unused")) for account in accounts]
        await wait_until(lambda: site.gate.waiting == 1)
        site.gate.open()
    assert [task.result() for task in reads] == [None] * 3
    assert len(site.gate.calls) == 1


async def test_without_redis_an_unknown_room_is_fetched_and_flagged(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    dead = Connections("redis://127.0.0.1:1")
    without_redis(account, dead)
    result = await account.rooms.room(ADMIN, ref(room))
    assert result is not None
    assert result.freshness.is_stale
    assert await account.rooms.room(ADMIN, ref(sid(7))) is None
    await dead.aclose()


def remember(
    account: Account, number: int, seen_n: int, *, at: float = 0.0, **changes: Any
) -> Room | None:
    """Remembers a room that was fetched at this moment. Returns what may be shown of
    it."""
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
    account.reads._room_memory.apply(event(ENDED, sid(2), room_name="daily"), n + 3)
    assert last_named(account, "daily") is None


async def test_a_name_is_forgotten_with_its_room(site: Site) -> None:
    account = await site.replica()
    n = account.tail.position.n
    remember(account, 1, n, unique_name="room 1")
    account.reads._memory._entries.pop(f"room:{sid(1)}")
    remember(account, 2, n, unique_name="room 2")
    assert last_named(account, "room 1") is None
    assert last_named(account, "room 2") == sid(2)
