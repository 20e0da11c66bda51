"""Rooms, and the fields that fetch what belongs to one."""

from dataclasses import field
from datetime import datetime
from typing import Self

import strawberry
from strawberry import UNSET, Info

from gateway.core import rooms as core
from gateway.core.caching import ReadResult
from gateway.core.open_enum import HttpMethod
from gateway.core.paging import DEFAULT_FIRST, Page
from gateway.core.participants import ParticipantFilter
from gateway.core.recordings import RoomRecordingFilter
from gateway.core.room_state.live import LiveRoom, Stay
from gateway.core.rooms import RoomFilter, RoomRef
from gateway.core.sids import RoomSid
from gateway.gql.schema import filters, refs
from gateway.gql.schema.context import Context
from gateway.gql.schema.events import (
    RoomEvent,
    RoomEventFilter,
    selected_types,
    timeline_connection,
)
from gateway.gql.schema.ids import recording_sid, transcription_id
from gateway.gql.schema.inputs import (
    filter_argument,
    page_arguments,
)
from gateway.gql.schema.insights import InsightsRoom
from gateway.gql.schema.participants import Participant
from gateway.gql.schema.presence import RoomPresence
from gateway.gql.schema.recordings import Recording, RecordingRules
from gateway.gql.schema.transcriptions import Transcription
from gateway.gql.schema.types import (
    Connection,
    ResourceView,
    build_connection,
    derived_field,
    fetched_field,
    resource_connection,
    twilio_details,
    view_of,
)


@view_of(core.RoomLinks)
@strawberry.type
class RoomLinks:
    participants: str | None
    recordings: str | None
    recording_rules: str | None
    transcriptions: str | None


@strawberry.type
class RoomTwilioDetails:
    url: str | None
    links: RoomLinks | None
    status_callback: str | None
    status_callback_method: HttpMethod | None


@view_of(core.Room)
@strawberry.type
class Room(ResourceView):
    id_format = "{0.sid}"

    sid: strawberry.ID
    account_sid: strawberry.ID
    status: core.RoomStatus
    type: core.RoomType
    unique_name: str | None
    create_time: datetime | None
    update_time: datetime | None
    end_time: datetime | None
    duration: int | None
    status_callback: strawberry.Private[str | None]
    status_callback_method: strawberry.Private[HttpMethod | None]
    max_participants: int | None
    max_participant_duration: int | None
    max_concurrent_published_tracks: int | None
    empty_room_timeout: int | None
    unused_room_timeout: int | None
    record_participants_on_connect: bool | None
    video_codecs: list[core.VideoCodec] | None
    media_region: str | None
    audio_only: bool | None
    large_room: bool | None
    url: strawberry.Private[str | None]
    links: strawberry.Private[RoomLinks | None]
    live: strawberry.Private[ReadResult[LiveRoom] | None] = field(default=None, init=False)
    """The live view that shows the room. Participants that it holds are not fetched."""

    @derived_field()
    def twilio(self, info: Info[Context, None]) -> RoomTwilioDetails:
        return twilio_details(RoomTwilioDetails, self, info.context.caller)

    @classmethod
    def from_live(cls, result: ReadResult[LiveRoom]) -> Self:
        """The room as a live view shows it."""
        view = cls.from_result(ReadResult(result.value.room, result.freshness, result.as_of))
        view.live = result
        return view

    @fetched_field(
        "How many participants are in the room now, also where an event shows the room. 0 once "
        "the room has ended. Null where `presence` is null.",
        is_shared=True,
        calls=0,
    )
    async def participant_count(self, info: Info[Context, None]) -> int | None:
        if self.live is not None:
            return len(self.live.value.present)
        presence = await info.context.loaders.presence(RoomSid(self.sid), self.status)
        return None if presence is None else presence.participant_count

    @fetched_field(
        "Who is in the room now, also where an event shows the room. It comes from the event log "
        "and needs no call to Twilio. Null while the log does not have the room's whole story: "
        "another system created the room without this gateway's callback, the log was lost, or a "
        "callback is missing, and the gateway has not read the room from Twilio since.",
        is_shared=True,
        calls=0,
    )
    async def presence(self, info: Info[Context, None]) -> RoomPresence | None:
        if self.live is not None and self.live.as_of is not None:
            return RoomPresence.of(self, self.live.value.present, self.live.as_of)
        presence = await info.context.loaders.presence(RoomSid(self.sid), self.status)
        if presence is None:
            return None
        return RoomPresence.of(self, presence.participants, presence.as_of)

    @fetched_field(
        "By default, who is connected while the room is in progress, and everyone who was there "
        "once it has ended. In `roomLive`, those whom the stream has seen.",
        cheaper="select presence, which needs none",
    )
    async def participants(
        self,
        info: Info[Context, None],
        filter: filters.ParticipantFilter | None = UNSET,  # noqa: A002
        first: int | None = DEFAULT_FIRST,
        after: str | None = UNSET,
    ) -> Connection[Participant] | None:
        selected = filter_argument(filter, ParticipantFilter)
        size, after = page_arguments(first, after)
        context = info.context
        if self.live is not None and self.live.value.covers(selected):
            page = context.account.live.participants(self.live.value, selected, size, after)
            return _live_participants(page, self.live, after)
        if after is None:
            result = await context.loaders.participants(RoomSid(self.sid), selected, size)
        else:
            result = await context.account.participants.page(
                context.caller, self._ref, selected, size, after
            )
        return resource_connection(Participant, result, after)

    @fetched_field()
    async def participant(
        self, info: Info[Context, None], ref: refs.ParticipantRef
    ) -> Participant | None:
        parsed = ref.to_core("ref")
        if self.live is not None:
            stay = self.live.value.find(parsed)
            if stay is not None:
                return Participant.from_stay(ReadResult(stay, self.live.freshness, self.live.as_of))
            if parsed.sid is None:
                return None  # An identity names a connected participant, and the view has them all.
        return Participant.from_optional(
            await info.context.account.participants.participant(
                info.context.caller, self._ref, parsed
            )
        )

    @fetched_field()
    async def recordings(
        self,
        info: Info[Context, None],
        filter: filters.RoomRecordingFilter | None = UNSET,  # noqa: A002
        first: int | None = DEFAULT_FIRST,
        after: str | None = UNSET,
    ) -> Connection[Recording] | None:
        selected = filter_argument(filter, RoomRecordingFilter)
        size, after = page_arguments(first, after)
        recordings = info.context.account.recordings
        result = await recordings.room_page(info.context.caller, self._ref, selected, size, after)
        return resource_connection(Recording, result, after)

    @fetched_field()
    async def recording(self, info: Info[Context, None], ref: strawberry.ID) -> Recording | None:
        recordings = info.context.account.recordings
        return Recording.from_optional(
            await recordings.room_recording(
                info.context.caller, self._ref, recording_sid(ref, "ref")
            )
        )

    @fetched_field("Which tracks Twilio records in the room.")
    async def recording_rules(self, info: Info[Context, None]) -> RecordingRules | None:
        return RecordingRules.from_result(
            await info.context.account.recordings.rules(info.context.caller, self._ref)
        )

    @fetched_field()
    async def transcriptions(
        self,
        info: Info[Context, None],
        first: int | None = DEFAULT_FIRST,
        after: str | None = UNSET,
    ) -> Connection[Transcription] | None:
        size, after = page_arguments(first, after)
        result = await info.context.account.transcriptions.page(
            info.context.caller, self._ref, size, after
        )
        return resource_connection(Transcription, result, after)

    @fetched_field()
    async def transcription(
        self, info: Info[Context, None], ref: strawberry.ID
    ) -> Transcription | None:
        return Transcription.from_optional(
            await info.context.account.transcriptions.transcription(
                info.context.caller, self._ref, transcription_id(ref, "ref")
            )
        )

    @fetched_field("Twilio's summary of the room. Null until some minutes after the room's end.")
    async def insights(self, info: Info[Context, None]) -> InsightsRoom | None:
        return InsightsRoom.from_optional(
            await info.context.account.insights.room(info.context.caller, RoomSid(self.sid))
        )

    @fetched_field(
        "The events of the room in the order of the event log. `after` also "
        "takes a cursor of `roomEvents`, and `roomEvents` continues after "
        "`pageInfo.endCursor`. Fails with CURSOR_EXPIRED if the log no longer "
        "has the events of the page: start again without `after`.",
        calls=0,
    )
    async def events(
        self,
        info: Info[Context, None],
        filter: RoomEventFilter | None = UNSET,  # noqa: A002 - the argument's name
        first: int | None = DEFAULT_FIRST,
        after: str | None = UNSET,
    ) -> Connection[RoomEvent] | None:
        selected = selected_types(filter)
        size, after = page_arguments(first, after)
        page = await info.context.account.timeline.page(
            info.context.caller, self._ref, selected, size, after
        )
        return timeline_connection(page, after)

    @property
    def _ref(self) -> RoomRef:
        return RoomRef(RoomSid(self.sid), None)


def _live_participants(
    page: Page[Stay], live: ReadResult[LiveRoom], after: str | None
) -> Connection[Participant]:
    def to_node(stay: Stay) -> Participant:
        return Participant.from_stay(ReadResult(stay, live.freshness, live.as_of))

    return build_connection(page, to_node, after, ReadResult(page, live.freshness, live.as_of))


async def room(info: Info[Context, None], ref: refs.RoomRef) -> Room | None:
    return Room.from_optional(
        await info.context.account.rooms.room(info.context.caller, ref.to_core("ref"))
    )


async def rooms(
    info: Info[Context, None],
    filter: filters.RoomFilter | None = UNSET,  # noqa: A002
    first: int | None = DEFAULT_FIRST,
    after: str | None = UNSET,
) -> Connection[Room] | None:
    selected = filter_argument(filter, RoomFilter)
    size, after = page_arguments(first, after)
    result = await info.context.account.rooms.rooms(info.context.caller, selected, size, after)
    return build_connection(result.value, Room.from_result, after, result)
