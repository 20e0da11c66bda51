"""Recordings of a room and of the account, and a room's recording rules."""

from datetime import datetime

import strawberry
from strawberry import UNSET, Info

from gateway.core import recordings as core
from gateway.core.open_enum import HttpMethod
from gateway.core.paging import DEFAULT_FIRST
from gateway.core.recordings import RecordingFilter
from gateway.core.rules import TrackKind
from gateway.core.sids import RecordingSid
from gateway.gql.schema import filters
from gateway.gql.schema.context import Context
from gateway.gql.schema.ids import recording_sid
from gateway.gql.schema.inputs import (
    filter_argument,
    page_arguments,
)
from gateway.gql.schema.rules import TrackRule
from gateway.gql.schema.scalars import BigInt
from gateway.gql.schema.types import (
    Connection,
    ResourceView,
    build_view,
    derived_field,
    fetched_field,
    resource_connection,
    twilio_details,
    view_of,
)


@view_of(core.RecordingRules)
@strawberry.type
class RecordingRules(ResourceView):
    id_format = "{0.room_sid}:recordingRules"

    room_sid: strawberry.ID
    rules: list[TrackRule]
    create_time: datetime | None
    update_time: datetime | None


@view_of(core.GroupingSids)
@strawberry.type
class GroupingSids:
    room_sid: strawberry.ID | None
    participant_sid: strawberry.ID | None


@view_of(core.RecordingLinks)
@strawberry.type
class RecordingLinks:
    media: str | None


@view_of(core.RecordingMedia)
@strawberry.type
class RecordingMedia:
    url: str

    __repr__ = object.__repr__


@strawberry.type
class RecordingTwilioDetails:
    url: str | None
    links: RecordingLinks | None
    status_callback: str | None
    status_callback_method: HttpMethod | None


@view_of(core.Recording)
@strawberry.type
class Recording(ResourceView):
    id_format = "{0.sid}"

    sid: strawberry.ID
    account_sid: strawberry.ID
    room_sid: strawberry.ID | None
    status: core.RecordingStatus
    type: TrackKind
    source_sid: strawberry.ID | None
    track_name: str | None
    container_format: core.ContainerFormat | None
    codec: core.MediaCodec | None
    size: BigInt | None
    duration: int | None
    offset: BigInt | None
    create_time: datetime | None
    grouping_sids: GroupingSids | None
    media_external_location: str | None
    status_callback: strawberry.Private[str | None]
    status_callback_method: strawberry.Private[HttpMethod | None]
    url: strawberry.Private[str | None]
    links: strawberry.Private[RecordingLinks | None]

    @derived_field()
    def twilio(self, info: Info[Context, None]) -> RecordingTwilioDetails:
        return twilio_details(RecordingTwilioDetails, self, info.context.caller)

    @fetched_field(
        "Where the media can be downloaded: an address that Twilio makes for "
        "this request and that soon expires. Null when there is no media."
    )
    async def media(self, info: Info[Context, None]) -> RecordingMedia | None:
        link = await info.context.account.recordings.media(
            info.context.caller, RecordingSid(self.sid)
        )
        return None if link is None else build_view(RecordingMedia, link)


async def recording(info: Info[Context, None], ref: strawberry.ID) -> Recording | None:
    sid = recording_sid(ref, "ref")
    return Recording.from_optional(
        await info.context.account.recordings.recording(info.context.caller, sid)
    )


async def recordings(
    info: Info[Context, None],
    filter: filters.RecordingFilter | None = UNSET,  # noqa: A002
    first: int | None = DEFAULT_FIRST,
    after: str | None = UNSET,
) -> Connection[Recording] | None:
    selected = filter_argument(filter, RecordingFilter)
    size, after = page_arguments(first, after)
    result = await info.context.account.recordings.page(info.context.caller, selected, size, after)
    return resource_connection(Recording, result, after)
