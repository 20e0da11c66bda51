"""roomEvents: the messages of the feed."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry
from strawberry import UNSET, Info

from gateway.core import events, rooms
from gateway.gql.context import Context
from gateway.gql.events import StreamMessage, chosen_types, message_of
from gateway.gql.inputs import given


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
    )
    async with aclosing(messages):
        async for message in messages:
            yield message_of(message)


@strawberry.type
class Subscription:
    room_events = strawberry.subscription(
        room_events,
        description="What happens in a room, or without `room` in the account. `after` resumes behind a cursor.",
    )
