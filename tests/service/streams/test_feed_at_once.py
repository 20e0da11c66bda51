"""What a stream's sink is given while the stream's own task sleeps."""

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


async def test_a_sink_is_given_what_comes_and_the_stream_what_it_refuses(site: Site) -> None:
    account, taken, is_open = await site.replica(), list[Delivered](), True

    def sink(messages: Sequence[Delivered]) -> bool:
        taken.extend(messages if is_open else ())
        return is_open

    async with watch(account, sid(1), sink=sink) as messages:
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


async def test_a_sink_gets_nothing_of_another_life_of_the_log(site: Site) -> None:
    account, taken = await site.replica(), list[Delivered]()
    async with watch(account, sid(1), sink=lambda messages: not taken.extend(messages)) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        await site.connections.commands.flushall()
        await site.log.append(event(), "of the next life")
        lost = await soon(waiting)
        assert isinstance(lost, ResyncRequired)
        assert taken == []


async def test_i7_what_a_sink_takes_puts_the_bookmark_off(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BOOKMARK_S", 0.05)
    account, taken = await site.replica(), list[Delivered]()
    async with watch(account, sid(1), sink=lambda messages: not taken.extend(messages)) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        [told] = await site.tell(event())
        assert await soon(waiting) == Bookmark(cursor_of(site, told.position))
        assert len(taken) == 1


async def test_a_sink_that_fails_stops_nobody(site: Site) -> None:
    def failing(messages: Sequence[Delivered]) -> bool:
        raise RuntimeError("a bug")

    account = await site.replica()
    async with watch(account, sid(1), sink=failing) as messages:
        await take(messages, 1)
        waiting = site.tasks.create_task(anext(messages))
        await asyncio.sleep(0)
        [told] = await site.tell(event())
        assert (await soon(waiting)).cursor == cursor_of(site, told.position)
