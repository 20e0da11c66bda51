"""What can be subscribed to: the messages of the feed, and live views."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry
from strawberry import UNSET, Info

from gateway.core import events, rooms
from gateway.gql.schema.context import Context
from gateway.gql.schema.events import StreamMessage, chosen_types, message_of
from gateway.gql.schema.inputs import given
from gateway.gql.schema.live import Presence
from gateway.gql.schema.rooms import Room


async def room_events(
    info: Info[Context, None],
    room: strawberry.ID | None = UNSET,
    types: list[events.RoomEventType] | None = UNSET,
    after: str | None = UNSET,
) -> AsyncGenerator[StreamMessage, None]:
    context, named, chosen = info.context, given(room), chosen_types(types)
    messages = context.account.feed.room_events(
        context.caller,
        None if named is None else rooms.RoomRef.of(named),
        chosen,
        context.last_event_id or given(after),
        sink=context.sink,
    )
    async with aclosing(messages):
        async for message in messages:
            yield message_of(message)


async def room_live(info: Info[Context, None], ref: strawberry.ID) -> AsyncGenerator[Room, None]:
    views = info.context.account.live.watch(info.context.caller, rooms.RoomRef.of(ref))
    async with aclosing(views):
        async for seen in views:
            yield Room.of_live(seen)


async def presence(
    info: Info[Context, None], room: strawberry.ID
) -> AsyncGenerator[Presence, None]:
    views = info.context.account.live.watch(info.context.caller, rooms.RoomRef.of(room))
    async with aclosing(views):
        async for seen in views:
            yield Presence.of(seen)


@strawberry.type
class Subscription:
    room_events = strawberry.subscription(
        room_events,
        description="What happens in a room, or without `room` in the account. `after` resumes behind a cursor.",
    )
    room_live = strawberry.subscription(
        room_live,
        description="The room with its participants and their published tracks, now and after each change. Begins with what "
        "is so now, also when it is resumed. A name stands for the room that has it now.",
    )
    presence = strawberry.subscription(
        presence,
        description="Who is in the room, now and after each change, told without joining it.",
    )
