"""Subscribers of a replica's feed, as its faces are."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from gateway.core.cursors import CursorCodec, LogPosition
from gateway.core.events import Delivered, RoomEventType, StreamMessage
from gateway.service.accounts import Account
from gateway.service.streams.feed import EventFilter, EventSubscription, WriteNow
from gateway.service.streams.timings import StreamTimings
from tests.service.conftest import ACCOUNT, ADMIN, Site, ref, take


def subscription(
    room: str | None = None,
    after: str | None = None,
    types: frozenset[RoomEventType] | None = None,
) -> EventSubscription[StreamMessage]:
    """Messages are delivered as they are, not encoded."""
    selected = EventFilter(None if room is None else ref(room), types)
    return EventSubscription(selected, after, lambda message: message)


def watch(
    account: Account,
    room: str | None = None,
    after: str | None = None,
    types: frozenset[RoomEventType] | None = None,
    write_now: WriteNow[StreamMessage] | None = None,
) -> "aclosing[AsyncGenerator[StreamMessage, None]]":
    return aclosing(account.feed.subscribe(ADMIN, subscription(room, after, types), write_now))


def cursor_of(site: Site, position: LogPosition) -> str:
    return CursorCodec((site.sandbox.auth_token,), ACCOUNT).log_cursor(position)


async def events(messages: AsyncGenerator[StreamMessage, None], count: int) -> list[Delivered]:
    taken = await take(messages, count)
    assert all(isinstance(message, Delivered) for message in taken), taken
    return [message for message in taken if isinstance(message, Delivered)]


def use_small_pages(site: Site) -> None:
    """New replicas keep few entries in memory, and read few at once from Redis."""
    site.log_timings = replace(site.log_timings, ring_entries=3)
    site.stream_timings = StreamTimings(page_size=2)
