"""Creating and ending rooms."""

import strawberry
from strawberry import UNSET, Info

from gateway.core.errors import Violations
from gateway.core.validation import check_idempotency_key
from gateway.gql.schema.context import Context
from gateway.gql.schema.inputs import (
    CreateRoomInput,
    EnsureRoomInput,
    optional,
    to_core,
)
from gateway.gql.schema.mutations.errors import MutationError, expected_outcomes
from gateway.gql.schema.refs import RoomRef
from gateway.gql.schema.rooms import Room


@strawberry.type(description="The outcome of `createRoom`.")
class CreateRoomPayload:
    room: Room | None = strawberry.field(
        default=None, description="The room. Null exactly when there are errors."
    )
    created: bool | None = strawberry.field(
        default=None,
        description="Whether this request made the room. False when an earlier request with the "
        "same `idempotencyKey` did. Null exactly when there are errors.",
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why there is no room. Empty on success."
    )


@expected_outcomes(CreateRoomPayload)
async def create_room(
    info: Info[Context, None],
    input: CreateRoomInput,  # noqa: A002
) -> CreateRoomPayload | None:
    key, wrong = optional(input.idempotency_key), Violations()
    with wrong.collect():
        check_idempotency_key(key)
    with wrong.collect():
        new_room = to_core(input)
    wrong.raise_any()
    created = await info.context.account.rooms.create(info.context.caller, new_room, key)
    return CreateRoomPayload(room=Room.from_result(created.room), created=created.is_new)


@strawberry.type(description="The outcome of `ensureRoom`.")
class EnsureRoomPayload:
    room: Room | None = strawberry.field(
        default=None,
        description="The room in progress with the name. Null exactly when there are errors.",
    )
    created: bool | None = strawberry.field(
        default=None,
        description="Whether this request made the room. Of requests that race, on any replicas, "
        "one did. Null exactly when there are errors.",
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why there is no room. Empty on success."
    )


@expected_outcomes(EnsureRoomPayload)
async def ensure_room(
    info: Info[Context, None],
    input: EnsureRoomInput,  # noqa: A002
) -> EnsureRoomPayload | None:
    ensured = await info.context.account.rooms.ensure(info.context.caller, to_core(input))
    return EnsureRoomPayload(room=Room.from_result(ensured.room), created=ensured.is_new)


@strawberry.input(description="Which room to end.")
class CompleteRoomInput:
    room: RoomRef
    idempotency_key: str | None = UNSET


@strawberry.type(description="The outcome of `completeRoom`.")
class CompleteRoomPayload:
    room: Room | None = strawberry.field(
        default=None, description="The ended room. Null exactly when there are errors."
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why the room was not ended. Empty on success."
    )


@expected_outcomes(CompleteRoomPayload)
async def complete_room(
    info: Info[Context, None],
    input: CompleteRoomInput,  # noqa: A002
) -> CompleteRoomPayload | None:
    room = await info.context.account.rooms.complete(
        info.context.caller, input.room.to_core("room"), optional(input.idempotency_key)
    )
    return CompleteRoomPayload(room=Room.from_result(room))
