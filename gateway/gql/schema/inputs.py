"""Converts arguments and input types to core values. Does no I/O.

An argument that is left out and one that is null mean the same: Twilio's default.
"""

from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar

import strawberry
from strawberry import UNSET

from gateway.core import insights, participants, recordings, rooms, transcriptions
from gateway.core.errors import Violations, below
from gateway.core.paging import DEFAULT_FIRST, checked_first
from gateway.gql.schema import filters
from gateway.gql.schema.input_enums import CORE_ENUMS, RoomTypeInput, VideoCodecInput, core_member
from gateway.gql.schema.rules import RecordingRuleInput, SubscribeRuleInput

_T = TypeVar("_T")


@strawberry.input
class TranscriptionsConfigurationInput:
    transcription_engine: str | None = UNSET
    speech_model: str | None = UNSET
    language_code: str | None = UNSET
    partial_results: bool | None = UNSET
    profanity_filter: bool | None = UNSET
    hints: list[str] | None = UNSET
    enable_automatic_punctuation: bool | None = UNSET


@strawberry.input
class RoomInput:
    """The parameters of a new room. Each mutation has a subclass."""

    unique_name: str | None = UNSET
    type: RoomTypeInput | None = UNSET
    max_participants: int | None = UNSET
    max_participant_duration: int | None = UNSET
    empty_room_timeout: int | None = UNSET
    unused_room_timeout: int | None = UNSET
    record_participants_on_connect: bool | None = UNSET
    recording_rules: list[RecordingRuleInput] | None = UNSET
    video_codecs: list[VideoCodecInput] | None = UNSET
    media_region: str | None = UNSET
    audio_only: bool | None = UNSET
    transcribe_participants_on_connect: bool | None = UNSET
    transcriptions_configuration: TranscriptionsConfigurationInput | None = UNSET
    large_room: bool | None = UNSET


@strawberry.input
class CreateRoomInput(RoomInput):
    idempotency_key: str | None = UNSET


@strawberry.input
class EnsureRoomInput(RoomInput):
    unique_name: str


# Fields of inputs that are no parameters of Twilio's.
OWN_FIELDS = frozenset({"idempotency_key"})
_CORE_TYPES: dict[type, Any] = {
    CreateRoomInput: rooms.NewRoom,
    EnsureRoomInput: rooms.NewRoom,
    TranscriptionsConfigurationInput: transcriptions.TranscriptionsConfiguration,
    filters.InsightsRoomFilter: insights.InsightsRoomFilter,
    filters.ParticipantFilter: participants.ParticipantFilter,
    filters.RecordingFilter: recordings.RecordingFilter,
    filters.RoomFilter: rooms.RoomFilter,
    filters.RoomRecordingFilter: recordings.RoomRecordingFilter,
}


def to_core(value: object) -> Any:
    """The core value of an input, with its nested inputs.

    Raises InvalidArgument for a value out of bounds.
    """
    match value:
        case list():
            return _items_to_core(value)
        case RecordingRuleInput() | SubscribeRuleInput():
            return value.to_core()
        case Enum() if type(value) in CORE_ENUMS:
            return core_member(value)
    cls = _CORE_TYPES.get(type(value))
    if cls is None:
        return value
    return build_core(
        cls,
        **{
            field.name: getattr(value, field.name)
            for field in fields(value)  # type: ignore[arg-type]
            if field.name not in OWN_FIELDS
        },
    )


def _items_to_core(items: list[Any]) -> tuple[Any, ...]:
    wrong, values = Violations(), []
    for index, item in enumerate(items):
        with wrong.collect(index):
            values.append(to_core(item))
    wrong.raise_any()
    return tuple(values)


def build_core(cls: type[_T], **arguments: object) -> _T:
    """A core value from the arguments that are neither unset nor null.

    Raises InvalidArgument with all values out of bounds.
    """
    wrong, values = Violations(), dict[str, Any]()
    for name, value in arguments.items():
        if value is not UNSET and value is not None:
            with wrong.collect(name):
                values[name] = to_core(value)
    return wrong.build(cls, values)


def filter_argument(value: object, core_type: type[_T]) -> _T:
    """The core value of the argument `filter`; the core type's default when it was left
    out. Raises InvalidArgument."""
    if optional(value) is None:
        return core_type()
    with below("filter"):
        filters: _T = to_core(value)
        return filters


def optional(value: _T | None) -> _T | None:
    """The value of an argument; None when it was left out."""
    return None if value is UNSET else value


def page_arguments(first: int | None, after: str | None) -> tuple[int, str | None]:
    """The size and the cursor of a page.

    Raises InvalidArgument for a `first` outside 1 to 100.
    """
    return DEFAULT_FIRST if first is None else checked_first(first), optional(after)
