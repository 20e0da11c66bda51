"""What resolvers are asked: arguments and input types, as core values. Does no I/O.

What a caller leaves out and what it gives as null mean the same: Twilio's default.
"""

from dataclasses import fields
from typing import Any, TypeVar

import strawberry
from strawberry import UNSET

from gateway.core import participants, recordings, rooms, rules, transcriptions
from gateway.core.paging import checked_first
from gateway.gql.schema import enums as enums  # before any type names an enum: this registers them

TURN_IS_ON = "Twilio always considers it true."

_T = TypeVar("_T")


@strawberry.input(
    description="Includes or excludes either all tracks, or those that match every filter given."
)
class RecordingRuleInput:
    type: rules.RuleType
    all: bool | None = UNSET
    kind: recordings.RecordedKind | None = UNSET
    publisher: str | None = UNSET
    track: str | None = UNSET


@strawberry.input(
    description="Subscribes to or leaves out either all tracks, or those that match every filter given. "
    "`priority` filters nothing: it goes with the filters."
)
class SubscribeRuleInput:
    type: rules.RuleType
    all: bool | None = UNSET
    kind: rules.TrackKind | None = UNSET
    publisher: str | None = UNSET
    track: str | None = UNSET
    priority: rules.TrackPriority | None = UNSET


@strawberry.input
class TranscriptionsConfigurationInput:
    transcription_engine: str | None = UNSET
    speech_model: str | None = UNSET
    language_code: str | None = UNSET
    partial_results: bool | None = UNSET
    profanity_filter: bool | None = UNSET
    hints: list[str] | None = UNSET
    enable_automatic_punctuation: bool | None = UNSET


@strawberry.input(
    description="maxParticipantDuration is in seconds, the two timeouts are in minutes."
)
class CreateRoomInput:
    unique_name: str | None = UNSET
    type: rooms.RoomType | None = UNSET
    max_participants: int | None = UNSET
    max_participant_duration: int | None = UNSET
    empty_room_timeout: int | None = UNSET
    unused_room_timeout: int | None = UNSET
    record_participants_on_connect: bool | None = UNSET
    recording_rules: list[RecordingRuleInput] | None = UNSET
    video_codecs: list[rooms.VideoCodec] | None = UNSET
    media_region: str | None = UNSET
    audio_only: bool | None = UNSET
    transcribe_participants_on_connect: bool | None = UNSET
    transcriptions_configuration: TranscriptionsConfigurationInput | None = UNSET
    large_room: bool | None = UNSET
    enable_turn: bool | None = strawberry.field(default=UNSET, deprecation_reason=TURN_IS_ON)


_CORE: dict[type, Any] = {
    CreateRoomInput: rooms.NewRoom,
    RecordingRuleInput: recordings.RecordingRule,
    SubscribeRuleInput: participants.SubscribeRule,
    TranscriptionsConfigurationInput: transcriptions.TranscriptionsConfiguration,
}


def core(given: object) -> Any:
    """The core value of an input. Raises InvalidArgument when it is out of bounds."""
    if isinstance(given, list):
        return tuple(core(item) for item in given)
    cls = _CORE.get(type(given))
    if cls is None:
        return given
    return asked(cls, **{field.name: getattr(given, field.name) for field in fields(given)})  # type: ignore[arg-type]


def asked(cls: type[_T], **values: object) -> _T:
    """A core value made of what was given. Raises InvalidArgument when it is out of bounds."""
    return cls(
        **{
            name: core(value)
            for name, value in values.items()
            if value is not UNSET and value is not None
        }
    )


def given(value: _T | None) -> _T | None:
    """None for an argument that was left out."""
    return None if value is UNSET else value


def paged(first: int, after: str | None) -> tuple[int, str | None]:
    """Raises InvalidArgument outside 1 … 100."""
    return checked_first(first), given(after)
