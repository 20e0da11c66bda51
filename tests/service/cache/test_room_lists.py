import asyncio
from datetime import UTC, datetime

import pytest

from gateway.core.caching import ReadResult
from gateway.core.cursors import CursorCodec
from gateway.core.errors import InvalidArgument, UpstreamUnavailable
from gateway.core.events import RoomEventType
from gateway.core.paging import Page
from gateway.core.rooms import Room, RoomFilter, RoomSid, RoomStatus
from gateway.sandbox.faults.injector import Fault
from gateway.service.accounts import Account
from gateway.service.upstream.timings import UpstreamTimings
from gateway.store.cache import RoomIndex
from gateway.store.connection import Connections
from tests.service.conftest import ACCOUNT, ADMIN, Site, event, shift_clock, wait_until

IN_PROGRESS, COMPLETED = RoomFilter(), RoomFilter(statuses=(RoomStatus.COMPLETED,))


async def list_(
    account: Account, first: int = 50, after: str | None = None, filters: RoomFilter = IN_PROGRESS
) -> Page[ReadResult[Room]]:
    return (await account.rooms.rooms(ADMIN, filters, first, after)).value


def sids(page: Page[ReadResult[Room]]) -> list[RoomSid]:
    return [result.value.sid for _, result in page.items]


def made(site: Site, count: int) -> list[RoomSid]:
    """Creates rooms, and returns them as a list shows them: the newest first."""
    return [site.make_at_twilio() for _ in range(count)][::-1]


@pytest.mark.parametrize("first", [1, 2, 3, 5, 7])
async def test_paging_shows_every_room_once(site: Site, first: int) -> None:
    account, rooms = await site.replica(), made(site, 5)
    page = await list_(account, first)
    result = sids(page)
    while page.has_next_page:
        page = await list_(account, first, page.end_cursor)
        result += sids(page)
    assert result == rooms


async def test_a_list_continues_after_any_of_its_rooms_with_another_page_size(site: Site) -> None:
    account, rooms = await site.replica(), made(site, 5)
    page = await list_(account, 3)
    for number, (cursor, _) in enumerate(page.items[:2], 1):
        assert sids(await list_(account, 1, cursor)) == rooms[number : number + 1]
    assert sids(await list_(account, 50, page.items[2][0])) == rooms[3:]


async def test_an_ended_room_is_left_out_and_the_shorter_page_can_be_continued(
    site: Site,
) -> None:
    account, rooms = await site.replica(), made(site, 3)
    await site.append(event(RoomEventType.ROOM_ENDED, rooms[0]))
    page = await list_(account, 1)
    assert (sids(page), page.has_next_page) == ([], True)
    assert sids(await list_(account, 2, page.end_cursor)) == rooms[1:2]


async def test_a_list_of_ended_rooms_shows_them_ended(site: Site) -> None:
    account, [room] = await site.replica(), made(site, 1)
    site.end_at_twilio(room)
    page = await list_(account, filters=COMPLETED)
    assert [(result.value.sid, result.value.status) for _, result in page.items] == [
        (room, RoomStatus.COMPLETED)
    ]


async def test_callers_share_a_page_while_it_is_fresh(site: Site) -> None:
    account = await site.replica()
    made(site, 1)
    await asyncio.gather(*(list_(account) for _ in range(5)))
    await list_(account)
    assert len(site.gate.calls) == 1
    await list_(account, filters=COMPLETED)
    assert len(site.gate.calls) == 2


@pytest.mark.parametrize("type_", [RoomEventType.ROOM_CREATED, RoomEventType.ROOM_CHANGED])
async def test_a_new_room_makes_a_page_outdated(site: Site, type_: RoomEventType) -> None:
    account = await site.replica()
    assert sids(await list_(account)) == []
    room = site.make_at_twilio()
    await site.append(event(type_, room))
    assert sids(await list_(account)) == [room]


async def test_a_list_does_not_join_a_fetch_from_before_a_new_room(site: Site) -> None:
    account = await site.replica()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        before = group.create_task(list_(account))
        await wait_until(lambda: site.gate.waiting == 1)
        room = site.make_at_twilio()
        await site.append(event(RoomEventType.ROOM_CREATED, room))
        after = group.create_task(list_(account))
        await wait_until(lambda: site.gate.waiting == 2)
        site.gate.open()
        await before
    assert sids(after.result()) == [room]


async def test_a_stale_page_is_served_and_refreshed_in_the_background(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, rooms = await site.replica(), made(site, 1)
    await list_(account)
    shift_clock(monkeypatch, 2)
    newer = site.make_at_twilio()
    site.gate.close()
    assert sids(await list_(account)) == rooms
    await wait_until(lambda: site.gate.waiting == 1)
    site.gate.open()
    await wait_until(lambda: not account.reads._flights._calls)
    assert sids(await list_(account)) == [newer, *rooms]


@pytest.mark.parametrize("silence", ["failing", "hanging", "without redis"])
async def test_a_page_is_served_flagged_when_twilio_or_redis_does_not_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch, silence: str
) -> None:
    account, rooms = await site.replica(), made(site, 1)
    await list_(account)
    shift_clock(monkeypatch, 60)
    dead = Connections("redis://127.0.0.1:1")
    if silence == "failing":
        site.sandbox.faults.add(Fault(status=503))
    elif silence == "hanging":
        site.upstream_timings = UpstreamTimings(read_s=0.02)
        account = await site.replica()
        site.gate.close()
    else:
        site.sandbox.faults.add(Fault(status=503))
        account.rooms._lists._index = RoomIndex(dead, ACCOUNT)
    page = await list_(account)
    assert (sids(page), [result.freshness.is_stale for _, result in page.items]) == (rooms, [True])
    await dead.aclose()


async def test_without_redis_a_room_whose_end_is_known_here_is_left_out(site: Site) -> None:
    account, (ended, other) = await site.replica(), made(site, 2)
    await site.append(event(RoomEventType.ROOM_ENDED, room_sid=ended))
    dead = Connections("redis://127.0.0.1:1")
    account.rooms._lists._index = RoomIndex(dead, ACCOUNT)
    page = await list_(account)
    assert (sids(page), [result.freshness.is_stale for _, result in page.items]) == (
        [other],
        [True],
    )
    await dead.aclose()


async def test_an_unknown_page_is_an_error_while_twilio_is_silent(site: Site) -> None:
    account = await site.replica()
    site.sandbox.faults.add(Fault(status=503))
    with pytest.raises(UpstreamUnavailable):
        await list_(account)


async def test_filters_mean_what_they_mean_to_twilio(site: Site) -> None:
    account = await site.replica()
    room = site.make_at_twilio("daily")
    made(site, 1)
    assert sids(await list_(account, filters=RoomFilter(unique_name="daily"))) == [room]
    past = datetime(2020, 1, 1, tzinfo=UTC)
    assert sids(await list_(account, filters=RoomFilter(created_before=past))) == []
    assert len(sids(await list_(account, filters=RoomFilter(created_after=past)))) == 2


@pytest.mark.parametrize("first", [0, 101])
async def test_a_page_has_1_to_100_rooms(site: Site, first: int) -> None:
    with pytest.raises(InvalidArgument):
        await list_(await site.replica(), first)


async def test_a_foreign_cursor_is_refused(site: Site) -> None:
    account = await site.replica()
    made(site, 2)
    cursor = (await list_(account, 1)).end_cursor
    event_cursor = CursorCodec((site.sandbox.auth_token,), ACCOUNT).log_cursor(
        account.tail.position
    )
    with pytest.raises(InvalidArgument):
        await list_(account, 1, cursor, COMPLETED)
    for foreign in (event_cursor, "nonsense", ""):
        with pytest.raises(InvalidArgument):
            await list_(account, 1, foreign)
