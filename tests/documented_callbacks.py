"""A callback of each type with every parameter that Twilio documents for it.

https://www.twilio.com/docs/video/api/status-callbacks
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from gateway.core.events import RoomEvent, RoomEventType
from gateway.twilio.callbacks import FIELDS, Callback, parse

_VALUES: Final[Mapping[str, str]] = {
    "AccountSid": "AC" + "0" * 32,
    "RoomSid": "RM" + "1" * 32,
    "RoomName": "standup",
    "RoomStatus": "in-progress",
    "RoomType": "go",
    "Timestamp": "2026-11-20T12:00:00.195Z",
    "SequenceNumber": "71",
    "RoomDuration": "72",
    "ParticipantSid": "PA" + "2" * 32,
    "ParticipantIdentity": "ada",
    "ParticipantStatus": "connected",
    "ParticipantDuration": "73",
    "TrackSid": "MT" + "3" * 32,
    "TrackKind": "video",
    "TrackName": "mic",
    "RecordingSid": "RT" + "4" * 32,
    "SourceSid": "MT" + "5" * 32,
    "RecordingUri": "/v1/Recordings/take",
    "Type": "video",
    "Container": "mkv",
    "Codec": "VP8",
    "OffsetFromTwilioVideoEpoch": "74",
    "MediaUri": "/v1/Recordings/take/Media",
    "Duration": "75",
    "Size": "76",
    "MediaExternalLocation": "https://bucket.example/take",
    "FailedOperation": "RecordingUpload",
}
# The type of an event says these.
_BY_TYPE: Final = {"StatusCallbackEvent", "RoomStatus", "ParticipantStatus"}


def documented_event(type_: RoomEventType) -> RoomEvent:
    """The event of a callback in which each parameter has a value of its own."""
    form = [(name, _VALUES[name]) for name in sorted(FIELDS[type_] - {"StatusCallbackEvent"})]
    now = datetime.fromisoformat(_VALUES["Timestamp"]).astimezone(UTC)
    callback = parse([*form, ("StatusCallbackEvent", type_)], now)
    assert isinstance(callback, Callback)
    return callback.event


def lost_from(text: str, type_: RoomEventType) -> list[str]:
    """The parameters of the callback whose values are not in the text."""
    return [
        name
        for name in sorted(FIELDS[type_] - _BY_TYPE)
        if _VALUES[name].removeprefix("Recording").removesuffix("Z").lower() not in text.lower()
    ]
