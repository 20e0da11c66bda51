"""Lists of several statuses, as one list, of rooms that the sandbox has."""

from dataclasses import replace

import pytest

from gateway.core.caching import ReadResult
from gateway.core.errors import InvalidArgument
from gateway.core.paging import Page
from gateway.core.participants import ParticipantFilter, ParticipantStatus
from gateway.core.rooms import Room, RoomFilter, RoomRef, RoomSid, RoomStatus
from gateway.sandbox.faults.injector import Fault
from gateway.service.accounts import Account
from tests.service.conftest import ADMIN, Site, shift_clock

BOTH = RoomFilter(statuses=(RoomStatus.IN_PROGRESS, RoomStatus.COMPLETED))


async def read(
    account: Account, first: int, after: str | None = None, filters: RoomFilter = BOTH
) -> Page[ReadResult[Room]]:
    return (await account.rooms.rooms(ADMIN, filters, first, after)).value


def sids(page: Page[ReadResult[Room]]) -> list[RoomSid]:
    return [result.value.sid for _, result in page.items]


def make_rooms(site: Site, ended: str) -> list[RoomSid]:
    """Creates a room per letter, completes those with an `x`, and returns them with the
    newest first."""
    rooms = [site.make_at_twilio() for _ in ended]
    for room, letter in zip(rooms, ended, strict=True):
        if letter == "x":
            site.end_at_twilio(room)
    return rooms[::-1]


@pytest.mark.parametrize("first", [1, 2, 3, 5, 50])
@pytest.mark.parametrize("ended", ["-----", "xxxxx", "x-x-x", "xx---", "---xx", "-"])
async def test_paging_shows_the_rooms_of_both_statuses_once(
    site: Site, first: int, ended: str
) -> None:
    account, rooms = await site.replica(), make_rooms(site, ended)
    page = await read(account, first)
    shown = sids(page)
    while page.has_next_page:
        page = await read(account, first, page.end_cursor)
        assert len(page.items) <= first
        shown += sids(page)
    assert sorted(shown) == sorted(rooms)
    assert page.end_cursor is not None
    assert sids(await read(account, first, page.end_cursor)) == []


async def test_a_merged_list_continues_after_any_of_its_rooms(site: Site) -> None:
    account = await site.replica()
    make_rooms(site, "x--x-x")
    whole = await read(account, 50)
    for number, (cursor, _) in enumerate(whole.items, 1):
        assert sids(await read(account, 50, cursor)) == sids(whole)[number:]


async def test_a_status_that_is_given_twice_is_read_once(site: Site) -> None:
    account, rooms = await site.replica(), make_rooms(site, "---")
    twice = RoomFilter(statuses=(RoomStatus.IN_PROGRESS, RoomStatus.IN_PROGRESS))
    assert sorted(sids(await read(account, 50, filters=twice))) == sorted(rooms)


async def test_a_list_that_has_ended_is_not_read_for_the_next_page(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()
    make_rooms(site, "xxxxx-")
    page = await read(account, 2)
    page = await read(account, 2, page.end_cursor)
    shift_clock(monkeypatch, 3600)  # no cached page may be used
    before = len(site.gate.calls)
    await read(account, 2, page.end_cursor)
    assert site.gate.calls[before:] == ["GET /v1/Rooms"]


async def test_a_cursor_of_one_status_is_refused_by_the_list_of_two(site: Site) -> None:
    account = await site.replica()
    make_rooms(site, "x-x-")
    single = await read(account, 1, filters=RoomFilter())
    merged = await read(account, 1)
    for cursor, filters in ((single.end_cursor, BOTH), (merged.end_cursor, RoomFilter())):
        with pytest.raises(InvalidArgument, match="page_token is not a"):
            await read(account, 1, cursor, filters)


async def test_a_cursor_is_refused_by_another_filter_of_the_same_statuses(site: Site) -> None:
    account = await site.replica()
    for name in ("ada", "bob"):
        for _ in range(2):
            site.end_at_twilio(site.make_at_twilio(name))
        site.make_at_twilio(name)
    # One list has ended after this page, and the other has not begun.
    page = await read(account, 1, filters=replace(BOTH, unique_name="ada"))
    with pytest.raises(InvalidArgument, match="page_token is not a"):
        await read(account, 1, page.end_cursor, replace(BOTH, unique_name="bob"))


async def test_a_merged_list_is_as_stale_as_its_stalest_part(site: Site) -> None:
    account = await site.replica()
    make_rooms(site, "x-")
    await read(account, 50)
    site.sandbox.faults.add(Fault(status=500))
    result = await account.rooms.rooms(ADMIN, BOTH, 50, None)
    assert (result.as_of is None, len(result.value.items)) == (False, 2)


async def test_participants_of_two_statuses_are_one_list(site: Site) -> None:
    account, room = await site.replica(), site.make_at_twilio()
    site.join(room, "ada")
    site.join(room, "bela")
    site.leave(room, "ada")
    filters = ParticipantFilter(
        statuses=(ParticipantStatus.CONNECTED, ParticipantStatus.DISCONNECTED)
    )
    result = await account.participants.page(ADMIN, RoomRef(room, None), filters, 50, None)
    assert {item.identity: item.status for _, item in result.value.items} == {
        "ada": ParticipantStatus.DISCONNECTED,
        "bela": ParticipantStatus.CONNECTED,
    }
