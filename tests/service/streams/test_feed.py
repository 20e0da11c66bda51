import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

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
    RoomEventType,
    StreamMessage,
    StreamMode,
    StreamStarted,
)
from gateway.service.log.timings import LogTimings
from gateway.service.streams import feed as feed_module
from gateway.store.keys import Keys
from tests.service.conftest import ACCOUNT, ANYBODY, Site, event, ref, sid, take, tell_unreadable
from tests.service.watching import cursor_of, events, subscription, tiny_ring, watch

KEYS = Keys(ACCOUNT)
CONNECTED, ENDED = RoomEventType.PARTICIPANT_CONNECTED, RoomEventType.ROOM_ENDED


async def test_a_stream_begins_where_the_log_is_and_each_event_names_the_one_before(
    site: Site,
) -> None:
    account = await site.replica()
    async with watch(account, sid(1)) as messages:
        [started] = await take(messages, 1)
        assert isinstance(started, StreamStarted)
        assert (started.mode, started.room_sid) == (StreamMode.LIVE, sid(1))
        await site.tell(event(), event(room_sid=sid(2)), event())
        first, second = await events(messages, 2)
        assert (first.prev, second.prev) == (started.cursor, first.cursor)


@pytest.mark.parametrize("room", [None, sid(1)])
async def test_i4_who_pages_from_redis_into_the_ring_gets_every_event_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, room: str | None
) -> None:
    tiny_ring(site, monkeypatch)
    account = await site.replica()
    async with watch(account, room) as messages:
        [started] = await take(messages, 1)
    others = [] if room is None else [event(room_sid=sid(2))]
    told = []
    for _ in range(6):
        told += (await site.tell(event(), *others))[:1]
    async with watch(account, room, after=started.cursor) as messages:
        [resumed] = await take(messages, 1)
        assert isinstance(resumed, StreamStarted)
        assert resumed.mode is StreamMode.RESUMED
        read = await events(messages, 2)
        # The log goes on while it is paged.
        told += await site.tell(*(event() for _ in range(5)))
        read += await events(messages, 9)
    cursor_codec = CursorCodec((site.sandbox.auth_token,), ACCOUNT)
    assert [cursor_codec.log_position(each.cursor).n for each in read] == [
        each.position.n for each in told
    ]
    assert [each.prev for each in read] == [started.cursor, *(each.cursor for each in read[:-1])]


async def test_i9_a_page_ends_where_this_process_has_heard(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that memory has not heard of yet must not be delivered: a read after it could still answer from before."""
    account = await site.replica()
    beginning = account.tail.position
    told = await site.tell(event(), event())
    site.log_timings = LogTimings(ring_entries=1)
    later = await site.replica()
    site.tails[-1].cancel()
    await asyncio.wait(site.tails[-1:])
    await site.log.append(event(ENDED), "unheard")
    assert later.tail.ring.floor == told[-1].position
    async with watch(later, after=cursor_of(site, beginning)) as messages:
        await take(messages, 1)
        await events(messages, 2)
        waiting = asyncio.get_running_loop().create_task(anext(messages))
        await site.heard_by(account, told[-1].position.n + 1)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_log_trimmed_under_a_reader_is_announced(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_ring(site, monkeypatch)
    account = await site.replica()
    async with watch(account) as messages:
        [started] = await take(messages, 1)
    told = await site.tell(*(event() for _ in range(9)))
    async with watch(account, after=started.cursor) as messages:
        await take(messages, 1)
        await events(messages, 2)
        await site.connections.commands.xtrim(
            KEYS.log, minid=f"{told[5].position.n}-0", approximate=False
        )
        [lost] = await take(messages, 1)
        assert isinstance(lost, ResyncRequired)
        assert lost.reason is ResyncReason.TRIMMED
        await site.tell(event())
        [after] = await events(messages, 1)
        assert after.prev == lost.cursor


async def test_a_wiped_redis_is_announced_on_a_live_stream(site: Site) -> None:
    account = await site.replica()
    async with watch(account, sid(1)) as messages:
        [started] = await take(messages, 1)
        await site.connections.commands.flushall()
        [lost] = await take(messages, 1)
        assert isinstance(lost, ResyncRequired)
        assert lost.reason is ResyncReason.EPOCH
        await site.tell(event())
        [after] = await events(messages, 1)
        assert after.prev == lost.cursor != started.cursor


async def test_a_log_that_changes_right_after_the_start_is_announced(site: Site) -> None:
    account = await site.replica()
    async with watch(account) as messages:
        await take(messages, 1)
        await site.connections.commands.flushall()
        # Not asked for the next message yet: by then the process is in the log's next life.
        await site.tell(event())
        [lost] = await take(messages, 1)
        assert isinstance(lost, ResyncRequired)
        assert lost.reason is ResyncReason.EPOCH


@pytest.mark.parametrize("reason", list(ResyncReason))
async def test_i6_a_cursor_that_does_not_hold_is_answered_with_the_head_and_the_reason(
    site: Site, reason: ResyncReason
) -> None:
    account = await site.replica()
    told = await site.tell(*(event() for _ in range(3)))
    position = told[0].position
    match reason:
        case ResyncReason.EPOCH:
            position = LogPosition("0" * 16, position.n, position.tag)
        case ResyncReason.ROLLED_BACK:
            position = replace(position, n=position.n + 1_000)
        case ResyncReason.DIVERGED:
            position = replace(position, tag=b"otherone")
        case ResyncReason.TRIMMED:
            position = replace(position, n=position.n - 1, tag=bytes(8))
            await site.connections.commands.xdel(KEYS.log, f"{told[0].position.n}-0")
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
        await site.tell(event())
        [after] = await events(messages, 1)
        assert after.prev == started.cursor


async def test_i8_replicas_agree_and_a_cursor_of_one_resumes_on_the_other(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    async with watch(here) as messages, watch(there) as elsewhere:
        started = await take(messages, 1)
        assert started == await take(elsewhere, 1)
        await site.tell(*(event() for _ in range(3)))
        read = await events(messages, 3)
        assert read == await events(elsewhere, 3)
    async with watch(there, after=read[0].cursor) as resumed:
        await take(resumed, 1)
        assert await events(resumed, 2) == read[1:]


async def test_a_cursor_ahead_of_this_replica_is_waited_for_not_repeated(site: Site) -> None:
    account = await site.replica()
    site.tails[0].cancel()
    await asyncio.wait(site.tails)
    told = [await site.log.append(event(), f"{number}") for number in range(2)]
    cursor = cursor_of(site, told[0].position)
    async with watch(account, after=cursor) as messages:
        [started] = await take(messages, 1)
        assert isinstance(started, StreamStarted)
        assert (started.mode, started.cursor) == (StreamMode.RESUMED, cursor)
        site.tails.append(site.tasks.create_task(account.tail.run()))
        [delivered] = await events(messages, 1)
        assert delivered.prev == cursor


async def test_i7_a_quiet_stream_gets_bookmarks_that_resume(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BOOKMARK_S", 0.02)
    account = await site.replica()
    async with watch(account, sid(1)) as messages:
        [started] = await take(messages, 1)
        [told] = await site.tell(event(room_sid=sid(2)))
        bookmark: StreamMessage = started
        while not (isinstance(bookmark, Bookmark) and bookmark.cursor != started.cursor):
            [bookmark] = await take(messages, 1)
    assert bookmark.cursor == cursor_of(site, told.position)


async def test_a_stream_whose_filter_matches_nothing_gets_bookmarks_under_load(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BOOKMARK_S", 0.02)
    account = await site.replica()
    async with watch(account, types=frozenset({ENDED})) as messages:
        await take(messages, 1)
        notifiers = account.tail._notifiers

        async def never_rests() -> None:
            while True:
                notifiers.notify_all()
                await asyncio.sleep(0)

        ringing = site.tasks.create_task(never_rests())
        [bookmark] = await take(messages, 1)
        ringing.cancel()
    assert isinstance(bookmark, Bookmark)


async def test_only_the_types_asked_for_come_and_the_chain_has_no_hole(site: Site) -> None:
    account = await site.replica()
    async with watch(account, sid(1), types=frozenset({ENDED})) as messages:
        [started] = await take(messages, 1)
        await site.tell(event(), event(ENDED), event())
        [ended] = await events(messages, 1)
        assert isinstance(started, StreamStarted)
        assert (ended.event.type, ended.prev) == (ENDED, started.cursor)


async def test_a_name_is_resolved_once_and_the_stream_stays_with_that_room(site: Site) -> None:
    account = await site.replica()
    first = await site.create(account, "daily")
    async with watch(account, "daily") as messages:
        [started] = await take(messages, 1)
        assert isinstance(started, StreamStarted)
        assert started.room_sid == first.sid
        await account.rooms.complete(ANYBODY, ref("daily"))
        again = await site.create(account, "daily")
        await site.tell(event(room_sid=again.sid), event(room_sid=first.sid))
        read = await events(messages, 2)
    assert {each.event.room_sid for each in read} == {first.sid}


async def test_stopping_ends_every_stream(site: Site) -> None:
    account = await site.replica()
    async with watch(account) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(_rest(messages))
        await asyncio.sleep(0)
        account.tail.close()
        assert await waiting == []


async def test_i16_a_caller_with_too_many_streams_is_sent_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "STREAMS_PER_CALLER", 1)
    account = await site.replica()
    async with watch(account) as messages:
        await take(messages, 1)
        async with watch(account) as refused:
            with pytest.raises(Throttled, match="this caller has its 1 event streams open"):
                await take(refused, 1)
    async with watch(account) as messages:
        await take(messages, 1)


async def test_who_may_not_watch_learns_nothing(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account, "daily")
    reader = replace(ANYBODY, scopes=frozenset({Scope.ROOMS_READ}))
    restricted = replace(
        ANYBODY,
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
    # One answer for a room that is not theirs and for one that is not there.
    for unseen in (room.sid, "daily", sid(99), "weekly"):
        assert await refusal(restricted, unseen) is NotFound
    foreign = CursorCodec((site.sandbox.auth_token,), "AC" + "0" * 32).log_cursor(
        account.tail.position
    )
    assert await refusal(ANYBODY, room.sid, foreign) is InvalidArgument


async def _rest(messages: AsyncGenerator[StreamMessage, None]) -> list[StreamMessage]:
    return [message async for message in messages]


@pytest.mark.parametrize("room", [None, sid(1)])
async def test_an_entry_that_cannot_be_read_is_a_gap_in_the_chain(
    site: Site, room: str | None
) -> None:
    """A newer release wrote it, or it is damaged: the log itself goes on."""
    account = await site.replica()
    async with watch(account, room) as messages:
        [started] = await take(messages, 1)
        [told] = await site.tell(event())
        position = await tell_unreadable(site.connections, told.position, "{")
        await site.tell(event())
        [before] = await events(messages, 1)
        [gap] = await take(messages, 1)
        assert gap == Gap(cursor_of(site, position), before.cursor)
        [after] = await events(messages, 1)
        assert after.prev == gap.cursor
    for since, missed in ((started.cursor, [before, gap, after]), (gap.cursor, [after])):
        async with watch(account, room, after=since) as messages:
            assert [*await take(messages, 1 + len(missed))][1:] == missed


async def test_a_gap_is_told_to_those_whom_it_may_concern(site: Site) -> None:
    account = await site.replica()
    async with (
        watch(account, sid(1), types=frozenset({ENDED})) as mine,
        watch(account, sid(2)) as other,
        watch(account) as whole,
    ):
        for messages in (mine, other, whole):
            await take(messages, 1)
        [told] = await site.tell(event())
        position = await tell_unreadable(
            site.connections, told.position, f'{{"room_sid": "{sid(1)}", "type": "new"}}'
        )
        await site.tell(event(ENDED), event(room_sid=sid(2)))
        assert [type(each) for each in await take(mine, 2)] == [Gap, Delivered]
        assert [type(each) for each in await take(whole, 4)] == [
            Delivered,
            Gap,
            Delivered,
            Delivered,
        ]
        assert [type(each) for each in await take(other, 1)] == [Delivered]
    assert position.n == told.position.n + 1


async def test_who_pages_meets_a_gap_where_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_ring(site, monkeypatch)
    account = await site.replica()
    async with watch(account) as messages:
        [started] = await take(messages, 1)
    [told] = await site.tell(event())
    await tell_unreadable(site.connections, told.position, "{")
    await site.tell(*(event() for _ in range(6)))
    async with watch(account, after=started.cursor) as messages:
        kinds = [type(each) for each in await take(messages, 9)]
    assert kinds == [StreamStarted, Delivered, Gap, *[Delivered] * 6]
