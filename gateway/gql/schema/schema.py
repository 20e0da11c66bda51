"""The schema: all queries, mutations and subscriptions."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from gateway.gql.schema import (
    insights,
    nodes,
    participants,
    quota,
    recordings,
    rooms,
    tokens,
    transcriptions,
    viewer,
)
from gateway.gql.schema.events import (
    EVENT_TYPES,
    Bookmark,
    Gap,
    ResyncRequired,
    StreamStarted,
)
from gateway.gql.schema.names import GraphQLNames
from gateway.gql.schema.scalars import SCALARS
from gateway.gql.schema.subscriptions import Subscription

_DATES = "`createdAfter` includes its moment, `createdBefore` does not."


@strawberry.type
class Query:
    room = strawberry.field(
        rooms.room,
        description="By SID, or by the name of a room in progress; null when there is none.",
    )
    rooms = strawberry.field(rooms.rooms, description=f"`first` is 1 to 100. {_DATES}")
    participant = strawberry.field(
        participants.participant,
        description="By SID or id, or by the identity of one who is connected; null when there "
        "is none.",
        metadata={"calls": 2},  # the room by its name, the participant by its identity
    )
    recording = strawberry.field(recordings.recording)
    recordings = strawberry.field(
        recordings.recordings,
        description="The account's. `groupingSids` are SIDs of rooms or participants, up to 20. "
        + _DATES,
    )
    insights_room = strawberry.field(
        insights.insights_room,
        description="What Twilio sums up of a room, some minutes after its end; null before.",
    )
    insights_rooms = strawberry.field(
        insights.insights_rooms,
        description="Without dates those completed in the last 24 hours; Twilio keeps them for "
        "7 days.",
    )
    node = strawberry.field(
        nodes.node, description="The object with this id; null when there is none."
    )
    nodes = strawberry.field(
        nodes.nodes,
        description="Up to 60 objects in the order of their ids, null where there is none. "
        "Each may need a call to Twilio.",
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
        description="What Twilio still lets this account ask, by class of request. Takes nothing.",
        metadata={"calls": 0},
    )


@strawberry.type
class Mutation:
    create_room = strawberry.mutation(
        rooms.create_room,
        description="With an `idempotencyKey`, up to 128 characters, who asks again gets the same "
        "room, for a day, on any replica; the same key for another room is a CONFLICT.",
    )
    complete_room = strawberry.mutation(
        rooms.complete_room, description="Ends the room and disconnects everybody in it."
    )
    disconnect_participant = strawberry.mutation(participants.disconnect_participant)
    anonymize_participant = strawberry.mutation(
        participants.anonymize_participant, description="For good: the identity becomes the SID."
    )
    update_subscribe_rules = strawberry.mutation(
        participants.update_subscribe_rules,
        description="1 to 20 rules that take the place of all before.",
    )
    update_recording_rules = strawberry.mutation(
        recordings.update_recording_rules,
        description="1 to 20 rules that take the place of all before.",
    )
    delete_recording = strawberry.mutation(
        recordings.delete_recording,
        description="Deletes the media; what is known of it stays, as DELETED. With `room`, only "
        "if it is that room's. Answers the recording's id.",
    )
    start_transcription = strawberry.mutation(transcriptions.start_transcription)
    update_transcription = strawberry.mutation(
        transcriptions.update_transcription,
        description="Starts or stops it, or changes its configuration, or both.",
    )
    mint_access_token = strawberry.mutation(
        tokens.mint_access_token,
        description="A token to join with. Without a room it opens every room of the account; "
        "without `ttlSeconds` it lives as long as the room's "
        "maxParticipantDurationSeconds, which it may not pass.",
    )
    explain_token = strawberry.mutation(
        tokens.explain_token,
        description="Whether a token opens the door now – of the room, if one is given – and if "
        "not, why. Changes nothing: it is a mutation so that no token stands in a URL or a cache.",
    )


# Types that no field names: they implement an interface that a field returns.
_MESSAGE_TYPES = (
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
    types=_MESSAGE_TYPES,
    config=StrawberryConfig(name_converter=GraphQLNames(), scalar_map=SCALARS),
)
