"""Events that are written from the tail's notification, while the stream's task sleeps."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.core.events import (
    Bookmark,
    Delivered,
    ResyncRequired,
)
from gateway.service.streams import feed as feed_module
from tests.service.conftest import Site, event, sid, soon, take
from tests.service.watching import cursor_of, events, watch


async def test_the_stream_delivers_the_events_that_were_not_written_now(site: Site) -> None:
    account, taken, is_open = await site.replica(), list[Delivered](), True

    def write_now(messages: Sequence[Delivered]) -> bool:
        taken.extend(messages if is_open else ())
        return is_open

    async with watch(account, sid(1), write_now=write_now) as messages:
        [started] = await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        await site.tell(event(), event(room_sid=sid(2)), event())
        assert not waiting.done()
        is_open = False
        [told] = await site.tell(event())
        refused = await waiting
        # Nobody waits for the next message now: nothing may overtake it.
        is_open = True
        await site.tell(event())
        [last] = await events(messages, 1)
    assert isinstance(refused, Delivered)
    assert refused.cursor == cursor_of(site, told.position)
    read = [*taken, refused, last]
    assert [each.prev for each in read] == [started.cursor, *(each.cursor for each in read[:-1])]


async def test_nothing_is_written_now_after_the_log_was_reset(site: Site) -> None:
    account, taken = await site.replica(), list[Delivered]()
    async with watch(
        account, sid(1), write_now=lambda messages: not taken.extend(messages)
    ) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        await site.connections.commands.flushall()
        await site.log.append(event(), "of the next life")
        lost = await soon(waiting)
        assert isinstance(lost, ResyncRequired)
        assert taken == []


async def test_i7_an_event_written_now_defers_the_bookmark(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BOOKMARK_S", 0.05)
    account, taken = await site.replica(), list[Delivered]()
    async with watch(
        account, sid(1), write_now=lambda messages: not taken.extend(messages)
    ) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        [told] = await site.tell(event())
        assert await soon(waiting) == Bookmark(cursor_of(site, told.position))
        assert len(taken) == 1


async def test_a_write_that_fails_is_left_to_the_stream(site: Site) -> None:
    def failing(messages: Sequence[Delivered]) -> bool:
        raise RuntimeError("a bug")

    account = await site.replica()
    async with watch(account, sid(1), write_now=failing) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        [told] = await site.tell(event())
        assert (await soon(waiting)).cursor == cursor_of(site, told.position)
