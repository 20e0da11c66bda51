"""Enums of inputs. Does no I/O.

An enum of Twilio's words has a value UNKNOWN in outputs, for words that Twilio adds
after this release. It means nothing in an input, so inputs have enums of their own.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import strawberry

from gateway.core import participants, recordings, rooms, rules, transcriptions
from gateway.gql.schema.enums import LEGACY_ROOM_TYPE


@strawberry.enum
class RoomStatusInput(Enum):
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@strawberry.enum
class RoomTypeInput(Enum):
    GROUP = "GROUP"
    GROUP_SMALL = strawberry.enum_value("GROUP_SMALL", deprecation_reason=LEGACY_ROOM_TYPE)
    PEER_TO_PEER = strawberry.enum_value("PEER_TO_PEER", deprecation_reason=LEGACY_ROOM_TYPE)
    GO = strawberry.enum_value("GO", deprecation_reason=LEGACY_ROOM_TYPE)


@strawberry.enum
class VideoCodecInput(Enum):
    VP8 = "VP8"
    H264 = "H264"


@strawberry.enum
class ParticipantStatusInput(Enum):
    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"
    RECONNECTING = "RECONNECTING"


@strawberry.enum
class RecordingStatusInput(Enum):
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    DELETED = "DELETED"
    FAILED = "FAILED"


@strawberry.enum
class MediaCodecInput(Enum):
    VP8 = "VP8"
    VP9 = "VP9"
    H264 = "H264"
    OPUS = "OPUS"


@strawberry.enum
class TrackKindInput(Enum):
    AUDIO = "AUDIO"
    VIDEO = "VIDEO"
    DATA = "DATA"


@strawberry.enum
class RecordedKindInput(Enum):
    AUDIO = "AUDIO"
    VIDEO = "VIDEO"


@strawberry.enum
class TrackPriorityInput(Enum):
    HIGH = "HIGH"
    STANDARD = "STANDARD"
    LOW = "LOW"


@strawberry.enum
class TranscriptionStatusInput(Enum):
    STARTED = "STARTED"
    STOPPED = "STOPPED"


CORE_ENUMS: Final[Mapping[type[Enum], type[Enum]]] = {
    RoomStatusInput: rooms.RoomStatus,
    RoomTypeInput: rooms.RoomType,
    VideoCodecInput: rooms.VideoCodec,
    ParticipantStatusInput: participants.ParticipantStatus,
    RecordingStatusInput: recordings.RecordingStatus,
    MediaCodecInput: recordings.MediaCodec,
    TrackKindInput: rules.TrackKind,
    RecordedKindInput: recordings.RecordedKind,
    TrackPriorityInput: rules.TrackPriority,
    TranscriptionStatusInput: transcriptions.TranscriptionStatus,
}
"""The core enum of each enum of inputs. The members have the same names."""


def core_member(member: Enum) -> Any:
    """The core member with the same name."""
    return CORE_ENUMS[type(member)][member.name]
