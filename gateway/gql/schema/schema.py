"""The schema: all queries, mutations and subscriptions."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from gateway.gql.schema import (
    insights,
    mutations,
    nodes,
    participants,
    quota,
    recordings,
    rooms,
    viewer,
)
from gateway.gql.schema.events import (
    EVENT_TYPES,
    Bookmark,
    Gap,
    ResyncRequired,
    StreamStarted,
)
from gateway.gql.schema.mutations.errors import ERROR_TYPES
from gateway.gql.schema.names import GraphQLNames
from gateway.gql.schema.scalars import SCALARS
from gateway.gql.schema.subscriptions import Subscription


def _calls(count: int) -> dict[str, int]:
    """How many calls to Twilio a root field needs at most, with the look-ups of names
    and identities. See `execution/cost.py`."""
    return {"calls": count}


@strawberry.type(
    description="Reads rooms and what belongs to them. Changes nothing. A field that fails is "
    "null and has an entry in `errors`; the others keep their data."
)
class Query:
    room = strawberry.field(
        rooms.room,
        metadata=_calls(2),
    )
    rooms = strawberry.field(
        rooms.rooms,
        metadata=_calls(1),
    )
    participant = strawberry.field(
        participants.participant,
        metadata=_calls(3),
    )
    recording = strawberry.field(
        recordings.recording,
        metadata=_calls(1),
    )
    recordings = strawberry.field(
        recordings.recordings,
        metadata=_calls(1),
    )
    insights_room = strawberry.field(
        insights.insights_room,
        metadata=_calls(1),
    )
    insights_rooms = strawberry.field(
        insights.insights_rooms,
        metadata=_calls(1),
    )
    node = strawberry.field(
        nodes.node,
        description="The object with this id. Null when there is none.",
        metadata=_calls(1),
    )
    nodes = strawberry.field(
        nodes.nodes,
        description="The objects with these ids, in the same order: null for an id that has "
        "no object. Each may need a call to Twilio.",
        metadata=_calls(1),
    )
    gateway = strawberry.field(
        viewer.gateway,
        description="The gateway that answers this request.",
        metadata={"is_derived": True},
    )
    viewer = strawberry.field(
        viewer.viewer,
        description="The caller, and what it may do.",
        metadata={"is_derived": True},
    )
    quota = strawberry.field(
        quota.quota,
        metadata=_calls(0),
    )


@strawberry.type(description="Changes rooms and what belongs to them, and makes access tokens.")
class Mutation:
    create_room = strawberry.mutation(
        mutations.rooms.create_room,
        description="Creates a room that reports its events to this gateway. If a room in "
        "progress has the name, the error is `NameTaken`, which holds that room.",
        metadata=_calls(4),
    )
    ensure_room = strawberry.mutation(
        mutations.rooms.ensure_room,
        metadata=_calls(3),
    )
    complete_room = strawberry.mutation(
        mutations.rooms.complete_room,
        metadata=_calls(3),
    )
    disconnect_participant = strawberry.mutation(
        mutations.participants.disconnect_participant,
        metadata=_calls(4),
    )
    anonymize_participant = strawberry.mutation(
        mutations.participants.anonymize_participant,
        metadata=_calls(4),
    )
    update_subscribe_rules = strawberry.mutation(
        mutations.participants.update_subscribe_rules,
        metadata=_calls(4),
    )
    update_recording_rules = strawberry.mutation(
        mutations.recordings.update_recording_rules,
        metadata=_calls(3),
    )
    delete_recording = strawberry.mutation(
        mutations.recordings.delete_recording,
        metadata=_calls(2),
    )
    start_transcription = strawberry.mutation(
        mutations.transcriptions.start_transcription,
        metadata=_calls(3),
    )
    update_transcription = strawberry.mutation(
        mutations.transcriptions.update_transcription,
        metadata=_calls(3),
    )
    mint_access_token = strawberry.mutation(
        mutations.tokens.mint_access_token,
        metadata=_calls(2),
    )
    explain_token = strawberry.mutation(
        mutations.tokens.explain_token,
        description="Tells whether a token is valid now, and if not, why. It changes nothing: it "
        "is a mutation so that no token is part of a URL or a cache.",
        metadata=_calls(2),
    )


# Types that no field names: they implement an interface that a field returns.
MESSAGE_TYPES = (
    StreamStarted,
    Bookmark,
    Gap,
    ResyncRequired,
    *EVENT_TYPES.values(),
)

schema = strawberry.Schema(
    Query,
    Mutation,
    Subscription,
    types=(*MESSAGE_TYPES, *ERROR_TYPES.values()),
    config=StrawberryConfig(name_converter=GraphQLNames(), scalar_map=SCALARS),
)
