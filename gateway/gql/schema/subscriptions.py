"""The subscriptions: the events of the feed, and live views."""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass

import strawberry
from strawberry import UNSET, Info

from gateway.gql.schema import refs
from gateway.gql.schema.context import Context
from gateway.gql.schema.events import (
    RoomEventFilter,
    StreamMessage,
    message_view,
    selected_types,
)
from gateway.gql.schema.inputs import optional
from gateway.gql.schema.live import live_presence
from gateway.gql.schema.presence import RoomPresence
from gateway.gql.schema.rooms import Room
from gateway.service.streams.feed import EventFilter, EventSubscription


@dataclass(frozen=True, slots=True)
class RoomEventStream(AsyncIterable[StreamMessage]):
    """The source of `roomEvents`: a subscription that starts when it is iterated.

    The engine may take `filter` and `after` from it instead, and encode the events
    itself.
    """

    context: Context
    filter: EventFilter
    after: str | None

    def __aiter__(self) -> AsyncGenerator[StreamMessage, None]:
        subscription = EventSubscription(self.filter, self.after, message_view)
        return self.context.account.feed.subscribe(self.context.caller, subscription)


def room_events(
    info: Info[Context, None],
    room: refs.RoomRef | None = UNSET,
    filter: RoomEventFilter | None = UNSET,  # noqa: A002 - the argument's name
    after: str | None = UNSET,
) -> AsyncIterable[StreamMessage]:
    event_filter = EventFilter(room.to_core("room") if room else None, selected_types(filter))
    cursor = info.context.last_event_id or optional(after)
    return RoomEventStream(info.context, event_filter, cursor)


async def room_live(info: Info[Context, None], room: refs.RoomRef) -> AsyncGenerator[Room, None]:
    views = info.context.account.live.watch(info.context.caller, room.to_core("room"))
    async with aclosing(views):
        async for view in views:
            yield Room.from_live(view)


async def room_presence(
    info: Info[Context, None], room: refs.RoomRef
) -> AsyncGenerator[RoomPresence, None]:
    views = info.context.account.live.watch(info.context.caller, room.to_core("room"))
    async with aclosing(views):
        async for view in views:
            yield live_presence(view)


# An event needs no call to Twilio. Only the start of a live view does.
_NO_CALLS = {"calls": 0}


@strawberry.type(
    description="Events and live views, over WebSocket or server-sent events. A stream ends with "
    "an error, or when the client ends it."
)
class Subscription:
    room_events = strawberry.subscription(
        room_events,
        metadata=_NO_CALLS,
    )
    room_live = strawberry.subscription(
        room_live,
        metadata=_NO_CALLS,
    )
    room_presence = strawberry.subscription(
        room_presence,
        description="Who is in the room, now and after each change. Unlike `Room.presence`, it "
        "also knows rooms whose whole story the event log does not have: it reads the room from "
        "Twilio when it starts.",
        metadata=_NO_CALLS,
    )
