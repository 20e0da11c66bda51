"""Insights: Twilio's summaries of rooms and participants, minutes after their end."""

from datetime import datetime

import strawberry
from strawberry import UNSET, Info

from gateway.core import insights as core
from gateway.core.insights import InsightsRoomFilter
from gateway.core.open_enum import HttpMethod
from gateway.core.paging import DEFAULT_FIRST
from gateway.core.recordings import MediaCodec
from gateway.core.rooms import RoomStatus, RoomType
from gateway.core.sids import RoomSid
from gateway.gql.schema import filters
from gateway.gql.schema.context import Context
from gateway.gql.schema.ids import participant_sid, room_sid
from gateway.gql.schema.inputs import (
    filter_argument,
    page_arguments,
)
from gateway.gql.schema.scalars import JSON, BigInt
from gateway.gql.schema.types import (
    Connection,
    ResourceView,
    derived_field,
    fetched_field,
    resource_connection,
    twilio_details,
    view_of,
)


@strawberry.type
class InsightsParticipantTwilioDetails:
    url: str | None


@view_of(core.InsightsParticipant)
@strawberry.type
class InsightsParticipant(ResourceView):
    id_format = "{0.room_sid}:{0.participant_sid}:insights"

    participant_sid: strawberry.ID
    room_sid: strawberry.ID
    account_sid: strawberry.ID
    participant_identity: str | None
    status: core.InsightsParticipantStatus | None
    join_time: datetime | None
    leave_time: datetime | None
    duration: BigInt | None
    end_reason: str | None
    error_code: int | None
    error_code_url: str | None
    codecs: list[MediaCodec]
    media_region: str | None
    edge_location: core.EdgeLocation | None
    properties: JSON | None
    publisher_info: JSON | None
    url: strawberry.Private[str | None]

    @derived_field()
    def twilio(self, info: Info[Context, None]) -> InsightsParticipantTwilioDetails:
        return twilio_details(InsightsParticipantTwilioDetails, self, info.context.caller)


@view_of(core.InsightsLinks)
@strawberry.type
class InsightsLinks:
    participants: str | None


@strawberry.type
class InsightsRoomTwilioDetails:
    url: str | None
    links: InsightsLinks | None
    status_callback: str | None
    status_callback_method: HttpMethod | None


@view_of(core.InsightsRoom)
@strawberry.type
class InsightsRoom(ResourceView):
    id_format = "{0.room_sid}:insights"

    room_sid: strawberry.ID
    account_sid: strawberry.ID
    room_name: str | None
    room_type: RoomType | None
    room_status: RoomStatus | None
    create_time: datetime | None
    end_time: datetime | None
    created_method: core.RoomCreatedMethod | None
    end_reason: core.RoomEndReason | None
    status_callback: strawberry.Private[str | None]
    status_callback_method: strawberry.Private[HttpMethod | None]
    max_participants: int | None
    unique_participants: int | None
    unique_participant_identities: int | None
    concurrent_participants: int | None
    max_concurrent_participants: int | None
    codecs: list[MediaCodec]
    media_region: str | None
    edge_location: core.EdgeLocation | None
    duration: BigInt | None
    total_participant_duration: BigInt | None
    total_recording_duration: BigInt | None
    processing_state: core.InsightsProcessingState | None
    recording_enabled: bool | None
    url: strawberry.Private[str | None]
    links: strawberry.Private[InsightsLinks | None]

    @derived_field()
    def twilio(self, info: Info[Context, None]) -> InsightsRoomTwilioDetails:
        return twilio_details(InsightsRoomTwilioDetails, self, info.context.caller)

    @fetched_field()
    async def participants(
        self,
        info: Info[Context, None],
        first: int | None = DEFAULT_FIRST,
        after: str | None = UNSET,
    ) -> Connection[InsightsParticipant] | None:
        size, after = page_arguments(first, after)
        result = await info.context.account.insights.participants(
            info.context.caller, RoomSid(self.room_sid), size, after
        )
        return resource_connection(InsightsParticipant, result, after)

    @fetched_field()
    async def participant(
        self, info: Info[Context, None], ref: strawberry.ID
    ) -> InsightsParticipant | None:
        room, participant = RoomSid(self.room_sid), participant_sid(ref, "ref")
        return InsightsParticipant.from_optional(
            await info.context.account.insights.participant(info.context.caller, room, participant)
        )


async def insights_room(info: Info[Context, None], ref: strawberry.ID) -> InsightsRoom | None:
    room = room_sid(ref, "ref")
    return InsightsRoom.from_optional(
        await info.context.account.insights.room(info.context.caller, room)
    )


async def insights_rooms(
    info: Info[Context, None],
    filter: filters.InsightsRoomFilter | None = UNSET,  # noqa: A002
    first: int | None = DEFAULT_FIRST,
    after: str | None = UNSET,
) -> Connection[InsightsRoom] | None:
    selected = filter_argument(filter, InsightsRoomFilter)
    size, after = page_arguments(first, after)
    result = await info.context.account.insights.rooms(info.context.caller, selected, size, after)
    return resource_connection(InsightsRoom, result, after)
