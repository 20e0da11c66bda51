"""Objects by their global ids."""

import asyncio

import strawberry
from strawberry import Info

from gateway.core.errors import NotFound
from gateway.core.participants import ParticipantRef, TrackRef
from gateway.core.rooms import RoomRef
from gateway.core.sids import ParticipantSid, RecordingSid, RoomSid, TrackSid
from gateway.core.transcriptions import Ttid
from gateway.gql.schema.context import Context
from gateway.gql.schema.ids import parse_id
from gateway.gql.schema.insights import InsightsParticipant, InsightsRoom
from gateway.gql.schema.participants import (
    Participant,
    PublishedTrack,
    SubscribedTrack,
    SubscribeRules,
)
from gateway.gql.schema.recordings import Recording, RecordingRules
from gateway.gql.schema.rooms import Room
from gateway.gql.schema.transcriptions import Transcription
from gateway.gql.schema.types import Node


async def nodes(info: Info[Context, None], ids: list[strawberry.ID]) -> list[Node | None]:
    """The object of each id, in order. A room's name is a ref, but not an id."""
    distinct = list(dict.fromkeys(ids))
    # GraphQL reports an exception in the list at its index, and shows the other nodes.
    results = await asyncio.gather(
        *(_find(info.context, id_) for id_ in distinct), return_exceptions=True
    )
    node_of = dict(zip(distinct, results, strict=True))
    return [node_of[id_] for id_ in ids]  # type: ignore[misc]


async def node(info: Info[Context, None], id: strawberry.ID) -> Node | None:  # noqa: A002 - the argument's name
    return await _find(info.context, id)


async def _find(context: Context, id_: str) -> Node | None:
    """None for an id that names nothing."""
    try:
        return await _fetch(context, id_)
    except NotFound:  # The room or the participant in the id does not exist.
        return None


async def _fetch(context: Context, id_: str) -> Node | None:
    account, caller = context.account, context.caller
    match parse_id(id_):
        case "Room", (room,):
            return Room.from_optional(await context.loaders.room(RoomSid(room)))
        case "Participant", (room, participant):
            return Participant.from_optional(
                await account.participants.participant(caller, *_refs(room, participant))
            )
        case "PublishedTrack", (room, participant, track):
            ref = TrackRef(TrackSid(track), None)
            return PublishedTrack.from_optional(
                await account.participants.published_track(caller, *_refs(room, participant), ref)
            )
        case "SubscribedTrack", (room, participant, track):
            return SubscribedTrack.from_optional(
                await account.participants.subscribed_track(
                    caller, *_refs(room, participant), TrackSid(track)
                )
            )
        case "SubscribeRules", (room, participant):
            return SubscribeRules.from_result(
                await account.participants.subscribe_rules(caller, *_refs(room, participant))
            )
        case "RecordingRules", (room,):
            return RecordingRules.from_result(
                await account.recordings.rules(caller, RoomRef(RoomSid(room), None))
            )
        case "InsightsRoom", (room,):
            return InsightsRoom.from_optional(await account.insights.room(caller, RoomSid(room)))
        case "InsightsParticipant", (room, participant):
            return InsightsParticipant.from_optional(
                await account.insights.participant(
                    caller, RoomSid(room), ParticipantSid(participant)
                )
            )
        case "Recording", (recording,):
            return Recording.from_optional(
                await account.recordings.recording(caller, RecordingSid(recording))
            )
        case "Transcription", (room, ttid):
            return Transcription.from_optional(
                await account.transcriptions.transcription(
                    caller, RoomRef(RoomSid(room), None), Ttid(ttid)
                )
            )
        case _:
            return None


def _refs(room: str, participant: str) -> tuple[RoomRef, ParticipantRef]:
    return RoomRef(RoomSid(room), None), ParticipantRef(ParticipantSid(participant), None)
