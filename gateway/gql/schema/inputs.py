"""Converts arguments and input types to core values. Does no I/O.

An argument that is left out and one that is null mean the same: Twilio's default.
"""

from dataclasses import fields
from typing import Any, TypeVar

import strawberry
from strawberry import UNSET

from gateway.core import participants, recordings, rooms, rules, transcriptions
from gateway.core.paging import checked_first
from gateway.core.rooms import RoomRef
from gateway.gql.schema import enums as enums  # registers the enums before any type uses one

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
    description="Subscribes to or leaves out either all tracks, or those that match every "
    "filter given. `priority` filters nothing: it goes with the filters."
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


_CORE_TYPES: dict[type, Any] = {
    CreateRoomInput: rooms.NewRoom,
    RecordingRuleInput: recordings.RecordingRule,
    SubscribeRuleInput: participants.SubscribeRule,
    TranscriptionsConfigurationInput: transcriptions.TranscriptionsConfiguration,
}


def to_core(value: object) -> Any:
    """The core value of an input, with its nested inputs.

    Raises InvalidArgument for a value out of bounds.
    """
    if isinstance(value, list):
        return tuple(to_core(item) for item in value)
    cls = _CORE_TYPES.get(type(value))
    if cls is None:
        return value
    return build_core(cls, **{field.name: getattr(value, field.name) for field in fields(value)})  # type: ignore[arg-type]


def build_core(cls: type[_T], **arguments: object) -> _T:
    """A core value from the arguments that are neither unset nor null.

    Raises InvalidArgument for a value out of bounds.
    """
    return cls(
        **{
            name: to_core(value)
            for name, value in arguments.items()
            if value is not UNSET and value is not None
        }
    )


def optional(value: _T | None) -> _T | None:
    """The value of an argument; None when it was left out."""
    return None if value is UNSET else value


def optional_room_ref(room: strawberry.ID | None) -> RoomRef | None:
    """The room that an optional argument names. Raises InvalidArgument."""
    ref = optional(room)
    return None if ref is None else RoomRef.of(ref)


def page_arguments(first: int, after: str | None) -> tuple[int, str | None]:
    """`first` and `after` of a page.

    Raises InvalidArgument for a `first` outside 1 to 100.
    """
    return checked_first(first), optional(after)
