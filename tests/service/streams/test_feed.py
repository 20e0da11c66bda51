import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from gateway.core.callers import Scope
from gateway.core.cursors import CursorCodec, LogPosition
from gateway.core.errors import InvalidArgument, NotFound, PermissionDenied, Throttled
from gateway.core.events import (
    Bookmark,
    Delivered,
    Gap,
    ResyncReason,
    ResyncRequired,
    RoomEvent,
    RoomEventType,
    StreamMessage,
    StreamMode,
    StreamStarted,
)
from gateway.core.rooms import RoomSid
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.log.ring import RingEntry
from gateway.service.streams.feed import Selection, advance
from gateway.service.streams.timings import StreamTimings
from gateway.store.eventlog import Entry, Logged, Unreadable
from gateway.store.keys import Keys
from tests.service.conftest import (
    ACCOUNT,
    ADMIN,
    Site,
    append_unreadable,
    event,
    in_time,
    ref,
    sid,
    take,
)
from tests.service.watching import cursor_of, events, subscription, use_small_pages, watch

KEYS = Keys(ACCOUNT)
CONNECTED, ENDED = RoomEventType.PARTICIPANT_CONNECTED, RoomEventType.ROOM_ENDED


AT = datetime(2026, 11, 20, tzinfo=UTC)


def ring_entry(n: int, what: RoomEvent | RoomSid | None) -> RingEntry:
    """An event, or an entry that cannot be read, of a room or of any."""
    position = LogPosition("0123456789abcdef", n, bytes(8))
    entry: Entry = (
        Logged(position, what, AT, 100)
        if isinstance(what, RoomEvent)
        else Unreadable(position, what, AT, 100)
    )
    return RingEntry(entry, f"c{n}", 0.0)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), "c1 c2 gap3 c4 gap5"),
        (Selection(sid(1)), "c1 gap3 c4 gap5"),
        (Selection(sid(2)), "c2 gap5"),
        (Selection(sid(1), frozenset({ENDED})), "gap3 c4 gap5"),
        (Selection(None, frozenset({RoomEventType.TRACK_ADDED})), "gap3 gap5"),
    ],
    ids=["account", "room", "other room", "types of a room", "types"],
)
def test_i5_selected_entries_become_a_chain_of_messages(
    selection: Selection, expected: str
) -> None:
    """An unreadable entry is a gap for those whom it may concern: it may have any
    type."""
    entries = [
        ring_entry(1, event()),
        ring_entry(2, event(room_sid=sid(2))),
        ring_entry(3, sid(1)),
        ring_entry(4, event(ENDED)),
        ring_entry(5, None),
    ]
    messages = advance("c0", entries, selection)
    kinds = [
        message.cursor.replace("c", "gap") if isinstance(message, Gap) else message.cursor
        for message in messages
    ]
    assert kinds == expected.split()
    assert [message.prev for message in messages] == [
        "c0",
        *(message.cursor for message in messages[:-1]),
    ][: len(messages)]


def test_nothing_follows_from_no_entries() -> None:
    assert advance("c0", [], Selection()) == []


async def test_i5_a_stream_starts_at_the_head_and_chains_its_events(
    site: Site,
) -> None:
    account = await site.replica()
    async with watch(account, sid(1)) as messages:
        [started] = await take(messages, 1)
        assert isinstance(started, StreamStarted)
        assert (started.mode, started.room_sid) == (StreamMode.LIVE, sid(1))
        await site.append(event(), event(room_sid=sid(2)), event())
        first, second = await events(messages, 2)
        assert (first.prev, second.prev) == (started.cursor, first.cursor)


@pytest.mark.parametrize("room", [None, sid(1)])
async def test_i4_a_resume_from_redis_into_the_ring_delivers_each_event_once(
    site: Site, room: str | None
) -> None:
    use_small_pages(site)
    account = await site.replica()
    async with watch(account, room) as messages:
        [started] = await take(messages, 1)
    others = [] if room is None else [event(room_sid=sid(2))]
    appended = []
    for _ in range(6):
        appended += (await site.append(event(), *others))[:1]
    async with watch(account, room, after=started.cursor) as messages:
        [resumed] = await take(messages, 1)
        assert isinstance(resumed, StreamStarted)
        assert resumed.mode is StreamMode.RESUMED
        read = await events(messages, 2)
        # Events are appended while it resumes.
        appended += await site.append(*(event() for _ in range(5)))
        read += await events(messages, 9)
    cursor_codec = CursorCodec((site.sandbox.auth_token,), ACCOUNT)
    assert [cursor_codec.log_position(item.cursor).n for item in read] == [
        item.position.n for item in appended
    ]
    assert [item.prev for item in read] == [started.cursor, *(item.cursor for item in read[:-1])]


async def test_i9_a_resume_stops_where_this_process_has_read_the_log(site: Site) -> None:
    """An event that memory does not know yet must not be delivered: a read that follows
    could still answer from before."""
    account = await site.replica()
    beginning = account.tail.position
    appended = await site.append(event(), event())
    site.log_timings = replace(site.log_timings, ring_entries=1)
    later = await site.replica()
    site.tails[-1].cancel()
    await asyncio.wait(site.tails[-1:])
    await site.log.append(event(ENDED), "unread")
    assert later.tail.ring.floor == appended[-1].position
    async with watch(later, after=cursor_of(site, beginning)) as messages:
        await take(messages, 1)
        await events(messages, 2)
        waiting = asyncio.get_running_loop().create_task(anext(messages))
        await site.wait_until_read_by(account, appended[-1].position.n + 1)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_p6_a_log_trimmed_during_a_resume_is_announced(site: Site) -> None:
    use_small_pages(site)
    account = await site.replica()
    async with watch(account) as messages:
        [started] = await take(messages, 1)
    appended = await site.append(*(event() for _ in range(9)))
    async with watch(account, after=started.cursor) as messages:
        await take(messages, 1)
        await events(messages, 2)
        await site.connections.commands.xtrim(
            KEYS.log, minid=f"{appended[5].position.n}-0", approximate=False
        )
        [lost] = await take(messages, 1)
        assert isinstance(lost, ResyncRequired)
        assert lost.reason is ResyncReason.TRIMMED
        await site.append(event())
        [after] = await events(messages, 1)
        assert after.prev == lost.cursor


async def test_p6_a_wiped_redis_is_announced_on_a_live_stream(site: Site) -> None:
    account = await site.replica()
    async with watch(account, sid(1)) as messages:
        [started] = await take(messages, 1)
        await site.connections.commands.flushall()
        [lost] = await take(messages, 1)
        assert isinstance(lost, ResyncRequired)
        assert lost.reason is ResyncReason.EPOCH
        await site.append(event())
        [after] = await events(messages, 1)
        assert after.prev == lost.cursor != started.cursor


async def test_p6_a_log_reset_right_after_the_start_is_announced(site: Site) -> None:
    account = await site.replica()
    async with watch(account) as messages:
        await take(messages, 1)
        await site.connections.commands.flushall()
        # The next message is requested only after the reset.
        await site.append(event())
        [lost] = await take(messages, 1)
        assert isinstance(lost, ResyncRequired)
        assert lost.reason is ResyncReason.EPOCH


@pytest.mark.parametrize("reason", list(ResyncReason))
async def test_i6_a_void_cursor_starts_at_the_head_with_the_reason(
    site: Site, reason: ResyncReason
) -> None:
    account = await site.replica()
    appended = await site.append(*(event() for _ in range(3)))
    position = appended[0].position
    match reason:
        case ResyncReason.EPOCH:
            position = LogPosition("0" * 16, position.n, position.tag)
        case ResyncReason.ROLLED_BACK:
            position = replace(position, n=position.n + 1_000)
        case ResyncReason.DIVERGED:
            position = replace(position, tag=b"otherone")
        case ResyncReason.TRIMMED:
            position = replace(position, n=position.n - 1, tag=bytes(8))
            await site.connections.commands.xdel(KEYS.log, f"{appended[0].position.n}-0")
            account = await site.replica()
    cursor = cursor_of(site, position)
    async with watch(account, sid(1), after=cursor) as messages:
        [started, lost] = await take(messages, 2)
        assert isinstance(started, StreamStarted)
        assert isinstance(lost, ResyncRequired)
        assert (started.mode, lost.reason, lost.cursor) == (
            StreamMode.RESYNC,
            reason,
            started.cursor,
        )
        await site.append(event())
        [after] = await events(messages, 1)
        assert after.prev == started.cursor


async def test_i8_replicas_agree_and_a_cursor_of_one_resumes_on_the_other(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    async with watch(here) as messages, watch(there) as elsewhere:
        started = await take(messages, 1)
        assert started == await take(elsewhere, 1)
        await site.append(*(event() for _ in range(3)))
        read = await events(messages, 3)
        assert read == await events(elsewhere, 3)
    async with watch(there, after=read[0].cursor) as resumed:
        await take(resumed, 1)
        assert await events(resumed, 2) == read[1:]


async def test_a_cursor_ahead_of_this_replica_is_resumed_without_repeats(site: Site) -> None:
    account = await site.replica()
    site.tails[0].cancel()
    await asyncio.wait(site.tails)
    appended = [await site.log.append(event(), f"{number}") for number in range(2)]
    cursor = cursor_of(site, appended[0].position)
    async with watch(account, after=cursor) as messages:
        [started] = await take(messages, 1)
        assert isinstance(started, StreamStarted)
        assert (started.mode, started.cursor) == (StreamMode.RESUMED, cursor)
        site.tails.append(site.tasks.create_task(account.tail.run()))
        [delivered] = await events(messages, 1)
        assert delivered.prev == cursor


async def test_i7_a_quiet_stream_gets_bookmarks_that_resume(site: Site) -> None:
    site.stream_timings = StreamTimings(bookmark_s=0.02)
    account = await site.replica()
    async with watch(account, sid(1)) as messages:
        [started] = await take(messages, 1)
        [appended] = await site.append(event(room_sid=sid(2)))
        bookmark: StreamMessage = started
        while not (isinstance(bookmark, Bookmark) and bookmark.cursor != started.cursor):
            [bookmark] = await take(messages, 1)
    assert bookmark.cursor == cursor_of(site, appended.position)


async def test_a_stream_whose_filter_matches_nothing_gets_bookmarks_under_load(site: Site) -> None:
    site.stream_timings = StreamTimings(bookmark_s=0.02)
    account = await site.replica()
    async with watch(account, types=frozenset({ENDED})) as messages:
        await take(messages, 1)
        notifiers = account.tail._notifiers

        async def notify_always() -> None:
            while True:
                notifiers.notify_all()
                await asyncio.sleep(0)

        notifying = site.tasks.create_task(notify_always())
        [bookmark] = await take(messages, 1)
        notifying.cancel()
    assert isinstance(bookmark, Bookmark)


async def test_i5_only_the_selected_types_are_delivered_and_chained(site: Site) -> None:
    account = await site.replica()
    async with watch(account, sid(1), types=frozenset({ENDED})) as messages:
        [started] = await take(messages, 1)
        await site.append(event(), event(ENDED), event())
        [ended] = await events(messages, 1)
        assert isinstance(started, StreamStarted)
        assert (ended.event.type, ended.prev) == (ENDED, started.cursor)


async def test_a_stream_keeps_its_room_when_the_name_is_taken_again(site: Site) -> None:
    account = await site.replica()
    first = await site.create(account, "daily")
    async with watch(account, "daily") as messages:
        [started] = await take(messages, 1)
        assert isinstance(started, StreamStarted)
        assert started.room_sid == first.sid
        await account.rooms.complete(ADMIN, ref("daily"))
        again = await site.create(account, "daily")
        await site.append(event(room_sid=again.sid), event(room_sid=first.sid))
        read = await events(messages, 2)
    assert {item.event.room_sid for item in read} == {first.sid}


async def test_closing_the_tail_ends_every_stream(site: Site) -> None:
    account = await site.replica()
    async with watch(account) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(_rest(messages))
        await asyncio.sleep(0)
        account.tail.close()
        assert await waiting == []


async def test_i16_a_caller_with_too_many_streams_is_refused(site: Site) -> None:
    site.stream_limit = ConnectionLimit("event streams", 10, per_caller=1)
    account = await site.replica()
    async with watch(account) as messages:
        await take(messages, 1)
        async with watch(account) as refused:
            with pytest.raises(Throttled, match="this caller already has 1 event streams open"):
                await take(refused, 1)
    async with watch(account) as messages:
        await take(messages, 1)


async def test_i12_a_caller_without_access_learns_nothing(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account, "daily")
    reader = replace(ADMIN, scopes=frozenset({Scope.ROOMS_READ}))
    restricted = replace(
        ADMIN,
        scopes=frozenset({Scope.ROOMS_READ, Scope.EVENTS_SUBSCRIBE}),
        grants=frozenset({"x"}),
    )

    async def refusal(
        caller: object, room: str | None, after: str | None = None
    ) -> type[Exception]:
        messages = account.feed.subscribe(caller, subscription(room, after))  # type: ignore[arg-type]
        async with aclosing(messages):
            with pytest.raises((PermissionDenied, NotFound, InvalidArgument)) as refused:
                await anext(messages)
            return type(refused.value)

    assert await refusal(reader, room.sid) is PermissionDenied
    assert await refusal(restricted, None) is PermissionDenied
    # The same error for a room without a grant and for a room that does not exist.
    for unseen in (room.sid, "daily", sid(99), "weekly"):
        assert await refusal(restricted, unseen) is NotFound
    foreign = CursorCodec((site.sandbox.auth_token,), "AC" + "0" * 32).log_cursor(
        account.tail.position
    )
    assert await refusal(ADMIN, room.sid, foreign) is InvalidArgument


async def _rest(messages: AsyncGenerator[StreamMessage, None]) -> list[StreamMessage]:
    return [message async for message in messages]


@pytest.mark.parametrize("room", [None, sid(1)])
async def test_an_unreadable_entry_is_a_gap_in_the_chain(site: Site, room: str | None) -> None:
    """A newer release wrote it, or it is damaged: the log itself continues."""
    account = await site.replica()
    async with watch(account, room) as messages:
        [started] = await take(messages, 1)
        [appended] = await site.append(event())
        position = await append_unreadable(site.connections, appended.position, "{")
        await site.append(event())
        [before] = await events(messages, 1)
        [gap] = await take(messages, 1)
        assert gap == Gap(cursor_of(site, position), before.cursor)
        [after] = await events(messages, 1)
        assert after.prev == gap.cursor
    for since, missed in ((started.cursor, [before, gap, after]), (gap.cursor, [after])):
        async with watch(account, room, after=since) as messages:
            assert [*await take(messages, 1 + len(missed))][1:] == missed


async def test_a_gap_is_delivered_to_all_that_it_may_concern(site: Site) -> None:
    account = await site.replica()
    async with (
        watch(account, sid(1), types=frozenset({ENDED})) as mine,
        watch(account, sid(2)) as other,
        watch(account) as whole,
    ):
        for messages in (mine, other, whole):
            await take(messages, 1)
        [appended] = await site.append(event())
        position = await append_unreadable(
            site.connections, appended.position, f'{{"room_sid": "{sid(1)}", "type": "new"}}'
        )
        await site.append(event(ENDED), event(room_sid=sid(2)))
        assert [type(item) for item in await take(mine, 2)] == [Gap, Delivered]
        assert [type(item) for item in await take(whole, 4)] == [
            Delivered,
            Gap,
            Delivered,
            Delivered,
        ]
        assert [type(item) for item in await take(other, 1)] == [Delivered]
    assert position.n == appended.position.n + 1


async def test_a_resume_delivers_a_gap_at_its_place(site: Site) -> None:
    use_small_pages(site)
    account = await site.replica()
    async with watch(account) as messages:
        [started] = await take(messages, 1)
    [appended] = await site.append(event())
    await append_unreadable(site.connections, appended.position, "{")
    await site.append(*(event() for _ in range(6)))
    async with watch(account, after=started.cursor) as messages:
        kinds = [type(item) for item in await take(messages, 9)]
    assert kinds == [StreamStarted, Delivered, Gap, *[Delivered] * 6]


async def test_the_stream_delivers_the_events_that_were_not_written_now(site: Site) -> None:
    account, taken, is_open = await site.replica(), list[StreamMessage](), True

    def write_now(messages: Sequence[StreamMessage]) -> bool:
        taken.extend(messages if is_open else ())
        return is_open

    async with watch(account, sid(1), write_now=write_now) as messages:
        [started] = await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        await site.append(event(), event(room_sid=sid(2)), event())
        assert not waiting.done()
        is_open = False
        [appended] = await site.append(event())
        refused = await waiting
        # The next message is not requested now: nothing may overtake the refused event.
        is_open = True
        await site.append(event())
        [last] = await events(messages, 1)
    assert isinstance(refused, Delivered)
    assert refused.cursor == cursor_of(site, appended.position)
    read = [*(item for item in taken if isinstance(item, Delivered)), refused, last]
    assert len(read) == len(taken) + 2
    assert [item.prev for item in read] == [started.cursor, *(item.cursor for item in read[:-1])]


def write_to(written: list[StreamMessage], messages: Sequence[StreamMessage]) -> bool:
    written.extend(messages)
    return True


async def test_nothing_is_written_now_after_the_log_was_reset(site: Site) -> None:
    account, taken = await site.replica(), list[StreamMessage]()
    async with watch(account, sid(1), write_now=partial(write_to, taken)) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        await site.connections.commands.flushall()
        await site.log.append(event(), "after the reset")
        lost = await in_time(waiting)
        assert isinstance(lost, ResyncRequired)
        assert taken == []


async def test_i7_an_event_written_now_defers_the_bookmark(site: Site) -> None:
    site.stream_timings = StreamTimings(bookmark_s=0.05)
    account, taken = await site.replica(), list[StreamMessage]()
    async with watch(account, sid(1), write_now=partial(write_to, taken)) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        [appended] = await site.append(event())
        assert await in_time(waiting) == Bookmark(cursor_of(site, appended.position))
        assert len(taken) == 1


async def test_a_write_that_fails_is_left_to_the_stream(site: Site) -> None:
    def failing(messages: Sequence[StreamMessage]) -> bool:
        raise RuntimeError("a bug")

    account = await site.replica()
    async with watch(account, sid(1), write_now=failing) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        [appended] = await site.append(event())
        assert (await in_time(waiting)).cursor == cursor_of(site, appended.position)
