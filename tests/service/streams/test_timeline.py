import asyncio
from dataclasses import replace

import pytest

from gateway.core.callers import Scope
from gateway.core.cursors import CursorCodec, LogPosition
from gateway.core.errors import CursorExpired, InvalidArgument, NotFound, PermissionDenied
from gateway.core.events import (
    ResyncReason,
    RoomEvent,
    RoomEventType,
)
from gateway.core.paging import Page
from gateway.service.accounts import Account
from gateway.service.streams.timings import StreamTimings
from gateway.store.keys import Keys
from tests.service.conftest import (
    ACCOUNT,
    ADMIN,
    Site,
    append_unreadable,
    event,
    ref,
    restricted,
    sid,
    take,
    wait_until,
)
from tests.service.watching import events, use_small_pages, watch

KEYS = Keys(ACCOUNT)
CONNECTED, ENDED = RoomEventType.PARTICIPANT_CONNECTED, RoomEventType.ROOM_ENDED
Items = list[tuple[str, RoomEvent]]


async def timeline(
    account: Account,
    first: int = 100,
    after: str | None = None,
    types: frozenset[RoomEventType] | None = None,
) -> Page[RoomEvent]:
    return await account.timeline.page(ADMIN, ref(sid(1)), types, first, after)


async def rest_of_timeline(
    account: Account,
    first: int,
    after: str | None = None,
    types: frozenset[RoomEventType] | None = None,
) -> tuple[Items, int]:
    """The items of all pages that follow, and how many pages there were."""
    appended, pages, has_next = Items(), 0, True
    while has_next:
        page = await timeline(account, first, after, types)
        appended, pages, after, has_next = (
            [*appended, *page.items],
            pages + 1,
            page.end_cursor,
            page.has_next_page,
        )
    return appended, pages


async def test_a_timeline_has_the_events_of_its_room_the_oldest_first(site: Site) -> None:
    account = await site.replica()
    assert await timeline(account) == Page((), None, has_next_page=False)
    appended = await site.append(*(event(room_sid=sid(1 + number % 2)) for number in range(6)))
    cursor_codec = CursorCodec((site.sandbox.auth_token,), ACCOUNT)
    page = await timeline(account)
    assert [cursor for cursor, _ in page.items] == [
        cursor_codec.log_cursor(item.position) for item in appended[::2]
    ]
    assert {item.room_sid for _, item in page.items} == {sid(1)}
    assert (page.end_cursor, page.has_next_page) == (page.items[-1][0], False)


@pytest.mark.parametrize("first", [1, 2, 3, 100])
async def test_i4_pages_miss_and_repeat_nothing_while_events_arrive(site: Site, first: int) -> None:
    account = await site.replica()
    appended = await site.append(*(event() for _ in range(4)))
    read, after, has_next = Items(), None, True
    while has_next:
        page = await timeline(account, first, after)
        read, after, has_next = [*read, *page.items], page.end_cursor, page.has_next_page
        if len(appended) < 7:
            appended += (await site.append(event(), event(room_sid=sid(2))))[:1]
    # A later read continues from the last cursor.
    assert after is not None
    rest, _ = await rest_of_timeline(account, first, after)
    cursor_codec = CursorCodec((site.sandbox.auth_token,), ACCOUNT)
    assert [cursor for cursor, _ in [*read, *rest]] == [
        cursor_codec.log_cursor(item.position) for item in appended
    ]
    assert await timeline(account, first, rest[-1][0] if rest else after) == Page(
        (), rest[-1][0] if rest else after, has_next_page=False
    )


async def test_a_page_searches_a_limited_number_of_events_for_the_selected_types(
    site: Site,
) -> None:
    site.stream_timings = StreamTimings(page_size=2, timeline_pages=2)
    account = await site.replica()
    await site.append(*(event() for _ in range(9)), event(ENDED), event())
    page = await timeline(account, types=frozenset({ENDED}))
    assert (page.items, page.has_next_page) == ((), True)
    read, pages = await rest_of_timeline(account, 100, types=frozenset({ENDED}))
    assert ([item.type for _, item in read], pages) == ([ENDED], 3)
    nothing, pages = await rest_of_timeline(
        account, 100, types=frozenset({RoomEventType.TRACK_ADDED})
    )
    assert (nothing, pages) == ([], 3)
    everybody, pages = await rest_of_timeline(account, 2, types=frozenset({CONNECTED}))
    assert (len(everybody), pages) == (10, 5)


async def test_a_timeline_and_a_stream_accept_each_others_cursors(site: Site) -> None:
    account = await site.replica()
    async with watch(account, sid(1)) as messages:
        [started] = await take(messages, 1)
        await site.append(event(), event(room_sid=sid(2)), event())
        streamed = await events(messages, 2)
    page = await timeline(account, after=started.cursor)
    assert page.items == tuple((item.cursor, item.event) for item in streamed)
    assert (await timeline(account, after=streamed[0].cursor)).items == page.items[1:]
    async with watch(account, sid(1), after=page.items[0][0]) as messages:
        await take(messages, 1)
        assert (await events(messages, 1))[0].cursor == streamed[1].cursor


async def test_i11_our_own_mutation_is_in_the_timeline_at_once(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account)
    page = await account.timeline.page(ADMIN, ref(room.sid), None, 10, None)
    assert [item.type for _, item in page.items] == [RoomEventType.ROOM_CREATED]


async def test_i9_a_timeline_ends_where_this_process_has_read_the_log(site: Site) -> None:
    site.stream_timings = StreamTimings(timeline_wait_s=0.01)
    account = await site.replica()
    await site.append(event())
    site.tails[0].cancel()
    await asyncio.wait(site.tails)
    await site.log.append(event(ENDED), "unread")
    page = await timeline(account)
    assert [item.type for _, item in page.items] == [CONNECTED]
    site.tails.append(site.tasks.create_task(account.tail.run()))
    await site.wait_until_read((await site.log.open()).position.n)
    assert [item.type for _, item in (await timeline(account, after=page.end_cursor)).items] == [
        ENDED
    ]


@pytest.mark.parametrize(
    "reason", [ResyncReason.EPOCH, ResyncReason.ROLLED_BACK, ResyncReason.DIVERGED]
)
async def test_i6_a_void_cursor_is_refused(site: Site, reason: ResyncReason) -> None:
    account = await site.replica()
    position = (await site.append(event(), event()))[0].position
    position = {
        ResyncReason.EPOCH: LogPosition("0" * 16, position.n, position.tag),
        ResyncReason.ROLLED_BACK: replace(position, n=position.n + 1_000),
        ResyncReason.DIVERGED: replace(position, tag=b"otherone"),
    }[reason]
    with pytest.raises(CursorExpired):
        await timeline(
            account, after=CursorCodec((site.sandbox.auth_token,), ACCOUNT).log_cursor(position)
        )


async def test_i6_a_cursor_before_the_trimmed_part_of_the_room_is_refused(site: Site) -> None:
    """The account's log is complete, so it does not show the loss."""
    account = await site.replica()
    beginning = CursorCodec((site.sandbox.auth_token,), ACCOUNT).log_cursor(account.tail.position)
    await site.append(*(event() for _ in range(5)))
    assert len((await timeline(account, after=beginning)).items) == 5
    cursors = [cursor for cursor, _ in (await timeline(account)).items]
    await site.connections.commands.xtrim(KEYS.room_log(sid(1)), maxlen=2, approximate=False)
    for lost in (beginning, cursors[0], cursors[1]):
        with pytest.raises(CursorExpired):
            await timeline(account, after=lost)
    assert [cursor for cursor, _ in (await timeline(account, after=cursors[3])).items] == cursors[
        4:
    ]
    assert [cursor for cursor, _ in (await timeline(account)).items] == cursors[3:]


async def test_a_timeline_continues_where_the_accounts_log_is_trimmed(site: Site) -> None:
    """A quiet room's stream keeps events that are too old for the account's log."""
    use_small_pages(site)
    account = await site.replica()
    appended = await site.append(
        *(event() for _ in range(4)), *(event(room_sid=sid(2)) for _ in range(6))
    )
    await site.connections.commands.xtrim(KEYS.log, maxlen=1, approximate=False)
    cursor_codec = CursorCodec((site.sandbox.auth_token,), ACCOUNT)
    read, pages = await rest_of_timeline(account, 1)
    assert ([cursor for cursor, _ in read], pages) == (
        [cursor_codec.log_cursor(item.position) for item in appended[:4]],
        4,
    )
    # A position between the room's events can no longer be proved.
    with pytest.raises(CursorExpired):
        await timeline(account, after=cursor_codec.log_cursor(appended[4].position))


@pytest.mark.parametrize("first", [1, 2, 100])
async def test_i4_an_unreadable_entry_does_not_end_a_timeline(site: Site, first: int) -> None:
    account = await site.replica()
    appended = await site.append(event())
    for _ in range(3):
        last = account.tail.position
        entry = f'{{"room_sid": "{sid(1)}", "type": "new"}}'
        unreadable = await append_unreadable(site.connections, last, entry, sid(1))
        await site.wait_until_read(unreadable.n)
    appended += await site.append(event(), event())
    read, _ = await rest_of_timeline(account, first)
    codec = CursorCodec((site.sandbox.auth_token,), ACCOUNT)
    assert [cursor for cursor, _ in read] == [codec.log_cursor(item.position) for item in appended]


async def test_a_timeline_has_the_events_of_one_epoch(site: Site) -> None:
    account = await site.replica()
    await site.append(event(), event())
    old = (await timeline(account, 1)).end_cursor
    await site.connections.commands.delete(KEYS.log, KEYS.meta)
    generation = account.tail.generation
    [appended] = await site.append(event())
    await wait_until(lambda: account.tail.generation > generation)
    page = await timeline(account)
    assert [cursor for cursor, _ in page.items] == [
        CursorCodec((site.sandbox.auth_token,), ACCOUNT).log_cursor(appended.position)
    ]
    with pytest.raises(CursorExpired):
        await timeline(account, after=old)


async def test_i12_a_caller_without_access_sees_no_timeline(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account, "daily")
    theirs = restricted("weekly")
    for target in (room.sid, "daily", sid(99), "monthly"):
        with pytest.raises(NotFound):
            await account.timeline.page(theirs, ref(target), None, 10, None)
    for caller in (restricted("daily"), restricted(room.sid)):
        assert len((await account.timeline.page(caller, ref(room.sid), None, 10, None)).items) == 1
    reader = replace(ADMIN, scopes=frozenset({Scope.ROOMS_READ}))
    with pytest.raises(PermissionDenied):
        await account.timeline.page(reader, ref(room.sid), None, 10, None)
    foreign = CursorCodec((site.sandbox.auth_token,), "AC" + "0" * 32).log_cursor(
        account.tail.position
    )
    for first, after in ((0, None), (101, None), (10, foreign), (10, "rubbish")):
        with pytest.raises(InvalidArgument):
            await timeline(account, first, after)
