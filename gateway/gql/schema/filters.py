"""The filters of lists. Does no I/O.

Their fields have the names of core's filters, which `inputs.to_core` builds.
"""

from datetime import datetime

import strawberry
from strawberry import UNSET

from gateway.gql.schema.input_enums import (
    MediaCodecInput,
    ParticipantStatusInput,
    RecordingStatusInput,
    RoomStatusInput,
    RoomTypeInput,
    TrackKindInput,
)


@strawberry.input(description="Selects rooms: those that match every field.")
class RoomFilter:
    statuses: list[RoomStatusInput] | None = UNSET
    unique_name: str | None = UNSET
    created_after: datetime | None = UNSET
    created_before: datetime | None = UNSET


@strawberry.input(description="Selects participants of a room: those that match every field.")
class ParticipantFilter:
    statuses: list[ParticipantStatusInput] | None = UNSET
    identity: str | None = UNSET
    created_after: datetime | None = UNSET
    created_before: datetime | None = UNSET


@strawberry.input(description="Selects recordings of a room: those that match every field.")
class RoomRecordingFilter:
    statuses: list[RecordingStatusInput] | None = UNSET
    source_sid: strawberry.ID | None = UNSET
    created_after: datetime | None = UNSET
    created_before: datetime | None = UNSET


@strawberry.input(description="Selects recordings of the account: those that match every field.")
class RecordingFilter:
    statuses: list[RecordingStatusInput] | None = UNSET
    source_sid: strawberry.ID | None = UNSET
    grouping_sids: list[strawberry.ID] | None = UNSET
    created_after: datetime | None = UNSET
    created_before: datetime | None = UNSET
    media_type: TrackKindInput | None = UNSET


@strawberry.input(description="Selects summaries of rooms: those that match every field.")
class InsightsRoomFilter:
    room_types: list[RoomTypeInput] | None = UNSET
    codecs: list[MediaCodecInput] | None = UNSET
    room_name: str | None = UNSET
    created_after: datetime | None = UNSET
    created_before: datetime | None = UNSET
