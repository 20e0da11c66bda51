"""Objects by their ids alone."""

import asyncio

import strawberry
from strawberry import Info

from gateway.core.errors import InvalidArgument, NotFound
from gateway.core.paging import PAGE_LIMIT
from gateway.core.participants import ParticipantRef, TrackRef
from gateway.core.rooms import RoomRef
from gateway.core.sids import ParticipantSid, RecordingSid, RoomSid, TrackSid, is_sid
from gateway.gql.schema.context import Context
from gateway.gql.schema.ids import sids_of, transcription_of
from gateway.gql.schema.participants import Participant, PublishedTrack
from gateway.gql.schema.recordings import Recording
from gateway.gql.schema.rooms import Room
from gateway.gql.schema.transcriptions import Transcription
from gateway.gql.schema.types import Node


async def nodes(info: Info[Context, None], ids: list[strawberry.ID]) -> list[Node | None]:
    """An id is made of SIDs: a room's name is none, though it works as a ref."""
    if len(ids) > PAGE_LIMIT:
        raise InvalidArgument(f"ids has {len(ids)} ids; give up to {PAGE_LIMIT}")
    each = list(dict.fromkeys(ids))
    # An error takes its node's place, and GraphQL tells it there: the others are shown.
    found = await asyncio.gather(
        *(_found(info.context, id_) for id_ in each), return_exceptions=True
    )
    node_of = dict(zip(each, found, strict=True))
    return [node_of[id_] for id_ in ids]  # type: ignore[misc]


async def node(info: Info[Context, None], id: strawberry.ID) -> Node | None:  # noqa: A002 - the argument's name
    return await _found(info.context, id)


async def _found(context: Context, id_: str) -> Node | None:
    try:
        return await _node(context, id_)
    except NotFound:  # Of what the id leads through: the room, or the participant.
        return None


async def _node(context: Context, id_: str) -> Node | None:
    account, caller = context.account, context.caller
    if is_sid(RecordingSid, id_):
        return Recording.found(await account.recordings.recording(caller, RecordingSid(id_)))
    if (named := transcription_of(id_)) is not None:
        room_sid, ttid = named
        return Transcription.found(
            await account.transcriptions.transcription(caller, RoomRef(room_sid, None), ttid)
        )
    match sids_of(id_):
        case (room,):
            return Room.found(await context.loaders.room(RoomSid(room)))
        case (room, who):
            return Participant.found(
                await account.participants.participant(caller, *_named(room, who))
            )
        case (room, who, track):
            ref = TrackRef(TrackSid(track), None)
            return PublishedTrack.found(
                await account.participants.published_track(caller, *_named(room, who), ref)
            )
        case _:
            return None


def _named(room: str, who: str) -> tuple[RoomRef, ParticipantRef]:
    return RoomRef(RoomSid(room), None), ParticipantRef(ParticipantSid(who), None)
