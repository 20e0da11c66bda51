"""Rooms, and what hangs below one."""

from dataclasses import field
from datetime import datetime
from typing import Self

import strawberry
from strawberry import UNSET, Info

from gateway.core import rooms as core
from gateway.core.caching import ReadResult
from gateway.core.events import RoomEventType
from gateway.core.participants import ParticipantFilter, ParticipantStatus
from gateway.core.recordings import RecordingStatus, RoomRecordingFilter
from gateway.core.room_state.live import LiveRoom, Stay
from gateway.core.rooms import RoomFilter, RoomRef
from gateway.core.sids import RoomSid
from gateway.gql.schema.context import Context
from gateway.gql.schema.events import RoomEvent, chosen_types, timeline
from gateway.gql.schema.ids import participant_ref, transcription_ref
from gateway.gql.schema.inputs import TURN_IS_ON, CreateRoomInput, asked, given, paged
from gateway.gql.schema.inputs import core as core_of
from gateway.gql.schema.insights import InsightsRoom
from gateway.gql.schema.participants import Participant
from gateway.gql.schema.recordings import Recording, RecordingRules, recording_sid
from gateway.gql.schema.transcriptions import Transcription
from gateway.gql.schema.types import (
    Connection,
    Freshness,
    Node,
    Resource,
    connection,
    fetched,
    result_connection,
    shows,
)


@shows(core.RoomLinks)
@strawberry.type(description="Where Twilio's REST has what belongs to a room.")
class RoomLinks:
    participants: str | None
    recordings: str | None
    recording_rules: str | None
    transcriptions: str | None


@shows(core.Room)
@strawberry.type(
    description="A room. Durations are in seconds, the two timeouts in minutes, as Twilio counts them."
)
class Room(Node, Resource):
    path = ("sid",)

    sid: strawberry.ID
    account_sid: strawberry.ID
    status: core.RoomStatus
    type: core.RoomType
    unique_name: str | None
    date_created: datetime | None
    date_updated: datetime | None
    end_time: datetime | None
    duration: int | None
    status_callback: str | None
    status_callback_method: str | None
    max_participants: int
    max_participant_duration: int
    max_concurrent_published_tracks: int | None
    empty_room_timeout: int
    unused_room_timeout: int
    record_participants_on_connect: bool | None
    video_codecs: list[core.VideoCodec]
    media_region: str | None
    audio_only: bool | None
    enable_turn: bool | None = strawberry.field(deprecation_reason=TURN_IS_ON)
    large_room: bool | None
    url: str | None
    links: RoomLinks | None
    freshness: Freshness
    live: strawberry.Private[ReadResult[LiveRoom] | None] = field(default=None, init=False)
    """In a live view: what it has of the room and its people, who then are not fetched."""

    @classmethod
    def of_live(cls, seen: ReadResult[LiveRoom]) -> Self:
        shown = cls.of(ReadResult(seen.value.room, seen.freshness, seen.as_of))
        shown.live = seen
        return shown

    @fetched(
        "Without a status, those connected while the room is in progress, and all who were there once it is "
        "completed. `createdAfter` includes its moment, `createdBefore` does not. In roomLive the latter are "
        "those whom it has seen."
    )
    async def participants(
        self,
        info: Info[Context, None],
        status: ParticipantStatus | None = UNSET,
        identity: str | None = UNSET,
        created_after: datetime | None = UNSET,
        created_before: datetime | None = UNSET,
        first: int = 50,
        after: str | None = UNSET,
    ) -> Connection[Participant]:
        wanted = asked(
            ParticipantFilter,
            status=status,
            identity=identity,
            created_after=created_after,
            created_before=created_before,
        )
        size, place = paged(first, after)
        if self.live is not None and self.live.value.knows(wanted):
            return _stays(self.live, wanted, size, place)
        context = info.context
        if place is None:
            seen = await context.loaders.participants(RoomSid(self.sid), wanted, size)
        else:
            seen = await context.account.participants.page(
                context.caller, self._ref, wanted, size, place
            )
        return result_connection(Participant, seen, place)

    @fetched("By SID or id, or by the identity of one who is connected.")
    async def participant(
        self, info: Info[Context, None], ref: strawberry.ID
    ) -> Participant | None:
        who = participant_ref(ref)
        if self.live is not None:
            stay = self.live.value.stay(who)
            if stay is not None:
                return Participant.of_stay(ReadResult(stay, self.live.freshness, self.live.as_of))
            if who.sid is None:
                return None  # An identity names somebody who is there.
        return Participant.found(
            await info.context.account.participants.participant(info.context.caller, self._ref, who)
        )

    @fetched("`createdAfter` includes its moment, `createdBefore` does not.")
    async def recordings(
        self,
        info: Info[Context, None],
        status: RecordingStatus | None = UNSET,
        source_sid: strawberry.ID | None = UNSET,
        created_after: datetime | None = UNSET,
        created_before: datetime | None = UNSET,
        first: int = 50,
        after: str | None = UNSET,
    ) -> Connection[Recording]:
        wanted = asked(
            RoomRecordingFilter,
            status=status,
            source_sid=source_sid,
            created_after=created_after,
            created_before=created_before,
        )
        size, place = paged(first, after)
        recordings = info.context.account.recordings
        seen = await recordings.of_room(info.context.caller, self._ref, wanted, size, place)
        return result_connection(Recording, seen, place)

    @fetched("One of the room's; null when it has none of this SID.")
    async def recording(self, info: Info[Context, None], sid: strawberry.ID) -> Recording | None:
        recordings = info.context.account.recordings
        return Recording.found(
            await recordings.in_room(info.context.caller, self._ref, recording_sid(sid))
        )

    @fetched("What the room records.")
    async def recording_rules(self, info: Info[Context, None]) -> RecordingRules:
        return RecordingRules.of(
            await info.context.account.recordings.rules(info.context.caller, self._ref)
        )

    @fetched("One at most.")
    async def transcriptions(
        self, info: Info[Context, None], first: int = 50, after: str | None = UNSET
    ) -> Connection[Transcription]:
        size, place = paged(first, after)
        seen = await info.context.account.transcriptions.page(
            info.context.caller, self._ref, size, place
        )
        return result_connection(Transcription, seen, place)

    @fetched("By `ttid` or id.")
    async def transcription(
        self, info: Info[Context, None], ttid: strawberry.ID
    ) -> Transcription | None:
        return Transcription.found(
            await info.context.account.transcriptions.transcription(
                info.context.caller, self._ref, transcription_ref(ttid)
            )
        )

    @fetched("What Twilio sums up of the room, some minutes after its end; null before.")
    async def insights(self, info: Info[Context, None]) -> InsightsRoom | None:
        return InsightsRoom.found(
            await info.context.account.insights.room(info.context.caller, RoomSid(self.sid))
        )

    @fetched(
        "What happened, from the log, oldest first. `after` takes the cursors of roomEvents too, and roomEvents "
        "goes on from `pageInfo.endCursor`."
    )
    async def events(
        self,
        info: Info[Context, None],
        types: list[RoomEventType] | None = UNSET,
        first: int = 50,
        after: str | None = UNSET,
    ) -> Connection[RoomEvent]:
        chosen = chosen_types(types)
        size, place = paged(first, after)
        page = await info.context.account.feed.timeline(
            info.context.caller, self._ref, chosen, size, place
        )
        return timeline(page, place)

    @property
    def _ref(self) -> RoomRef:
        return RoomRef(RoomSid(self.sid), None)


def _stays(
    live: ReadResult[LiveRoom], wanted: ParticipantFilter, first: int, after: str | None
) -> Connection[Participant]:
    def shown(stay: Stay) -> Participant:
        return Participant.of_stay(ReadResult(stay, live.freshness, live.as_of))

    page = live.value.page(wanted, first, after)
    return connection(page, shown, after, ReadResult(page, live.freshness, live.as_of))


async def room(info: Info[Context, None], ref: strawberry.ID) -> Room | None:
    return Room.found(await info.context.account.rooms.room(info.context.caller, RoomRef.of(ref)))


async def rooms(
    info: Info[Context, None],
    status: core.RoomStatus = core.RoomStatus.IN_PROGRESS,
    unique_name: str | None = UNSET,
    created_after: datetime | None = UNSET,
    created_before: datetime | None = UNSET,
    first: int = 50,
    after: str | None = UNSET,
) -> Connection[Room]:
    wanted = asked(
        RoomFilter,
        status=status,
        unique_name=unique_name,
        created_after=created_after,
        created_before=created_before,
    )
    size, place = paged(first, after)
    seen = await info.context.account.rooms.rooms(info.context.caller, wanted, size, place)
    return connection(seen.value, Room.of, place, seen)


async def create_room(
    info: Info[Context, None],
    input: CreateRoomInput = CreateRoomInput(),  # noqa: A002
    idempotency_key: str | None = UNSET,
) -> Room:
    rooms = info.context.account.rooms
    return Room.of(await rooms.create(info.context.caller, core_of(input), given(idempotency_key)))


async def complete_room(info: Info[Context, None], ref: strawberry.ID) -> Room:
    return Room.of(await info.context.account.rooms.complete(info.context.caller, RoomRef.of(ref)))
