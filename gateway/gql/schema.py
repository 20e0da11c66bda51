"""The schema: queries and mutations, three lines each. Unpack, ask the service, convert."""

from datetime import datetime

import graphql
import strawberry
from strawberry import UNSET, Info
from strawberry.schema.config import StrawberryConfig

from gateway.core.errors import InvalidArgument
from gateway.core.paging import PAGE_LIMIT, checked_first
from gateway.core.rooms import RoomFilter, RoomRef, RoomSid, RoomStatus, is_room_sid
from gateway.gql.inputs import Context, CreateRoomInput, given, new_room
from gateway.gql.subscriptions import MESSAGE_TYPES, Subscription
from gateway.gql.types import SCALARS, Node, Room, RoomConnection


async def room(info: Info[Context, None], ref: strawberry.ID) -> Room | None:
    context = info.context
    seen = await context.account.rooms.room(context.caller, RoomRef.of(ref))
    return None if seen is None else Room.of(seen)


async def rooms(
    info: Info[Context, None],
    status: RoomStatus = RoomStatus.IN_PROGRESS,
    unique_name: str | None = UNSET,
    created_after: datetime | None = UNSET,
    created_before: datetime | None = UNSET,
    first: int = 50,
    after: str | None = UNSET,
) -> RoomConnection:
    context = info.context
    wanted = RoomFilter(
        status=status,
        unique_name=given(unique_name),
        created_after=given(created_after),
        created_before=given(created_before),
    )
    page = await context.account.rooms.rooms(context.caller, wanted, checked_first(first), given(after))
    return RoomConnection.of(page, given(after))


async def nodes(info: Info[Context, None], ids: list[strawberry.ID]) -> list[Node | None]:
    """An id is a SID: a room's name is none, though it works as a ref."""
    if len(ids) > PAGE_LIMIT:
        raise InvalidArgument(f"ids has {len(ids)} ids; give up to {PAGE_LIMIT}")
    context = info.context
    sids = [RoomSid(sid) for sid in dict.fromkeys(ids) if is_room_sid(sid)]
    seen = await context.account.rooms.batch(context.caller, [RoomRef(sid, None) for sid in sids])
    found = {str(sid): Room.of(room) for sid, room in zip(sids, seen, strict=True) if room is not None}
    return [found.get(id_) for id_ in ids]


async def node(info: Info[Context, None], id: strawberry.ID) -> Node | None:  # noqa: A002 - the argument's name
    (found,) = await nodes(info, [id])
    return found


async def create_room(info: Info[Context, None], input: CreateRoomInput = CreateRoomInput()) -> Room:  # noqa: A002
    context = info.context
    return Room.of(await context.account.rooms.create(context.caller, new_room(input)))


async def complete_room(info: Info[Context, None], ref: strawberry.ID) -> Room:
    context = info.context
    return Room.of(await context.account.rooms.complete(context.caller, RoomRef.of(ref)))


@strawberry.type
class Query:
    room = strawberry.field(room, description="By SID, or by the name of a room in progress; null when there is none.")
    rooms = strawberry.field(
        rooms, description="`first` is 1 to 100. `createdAfter` includes its moment, `createdBefore` does not."
    )
    node = strawberry.field(node, description="The object with this id; null when there is none.")
    nodes = strawberry.field(
        nodes, description="Up to 100 objects in the order of their ids, null where there is none."
    )


@strawberry.type
class Mutation:
    create_room = strawberry.mutation(create_room)
    complete_room = strawberry.mutation(complete_room, description="Ends the room and disconnects everybody in it.")


schema = strawberry.Schema(
    Query, Mutation, Subscription, types=MESSAGE_TYPES, config=StrawberryConfig(scalar_map=SCALARS)
)


EXECUTABLE: graphql.GraphQLSchema = schema._schema
"""The same schema as graphql-core has it, for validation and execution."""


def print_schema() -> str:
    # graphql-core prints an empty object with two spaces in it.
    return graphql.print_schema(EXECUTABLE).replace("{  }", "{}") + "\n"
