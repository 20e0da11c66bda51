"""What resolvers are given: their context, and the input types. Does no I/O.

What a caller leaves out and what it gives as null mean the same: Twilio's default.
"""

from dataclasses import dataclass, fields
from typing import TypeVar

import strawberry
from strawberry import UNSET

from gateway.core import recordings, rooms, transcriptions
from gateway.service.access import Caller
from gateway.service.accounts import Account


@dataclass(frozen=True, slots=True)
class Context:
    caller: Caller
    account: Account
    trace_id: str
    last_event_id: str | None = None
    """Where an event stream broke off, as its client's header says; it beats the argument `after`."""


strawberry.enum(recordings.RuleType, name="RecordingRuleType")
strawberry.enum(recordings.RecordedKind)


@strawberry.input(description="Includes or excludes either all tracks, or those that match every filter given.")
class RecordingRuleInput:
    type: recordings.RuleType
    all: bool | None = UNSET
    kind: recordings.RecordedKind | None = UNSET
    publisher: str | None = UNSET
    track: str | None = UNSET


@strawberry.input
class TranscriptionsConfigurationInput:
    transcription_engine: str | None = UNSET
    speech_model: str | None = UNSET
    language_code: str | None = UNSET
    partial_results: bool | None = UNSET
    profanity_filter: bool | None = UNSET
    hints: list[str] | None = UNSET
    enable_automatic_punctuation: bool | None = UNSET


@strawberry.input(description="maxParticipantDuration is in seconds, the two timeouts are in minutes.")
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
    enable_turn: bool | None = UNSET


def new_room(given: CreateRoomInput) -> rooms.NewRoom:
    """Raises InvalidArgument when a value is out of bounds."""
    return _core(rooms.NewRoom, given)


_CORE = {
    RecordingRuleInput: recordings.RecordingRule,
    TranscriptionsConfigurationInput: transcriptions.TranscriptionsConfiguration,
}

_T = TypeVar("_T")


def _core(cls: type[_T], given: object) -> _T:
    values = {field.name: getattr(given, field.name) for field in fields(given)}  # type: ignore[arg-type]
    return cls(**{name: _value(value) for name, value in values.items() if value is not UNSET})


def _value(value: object) -> object:
    if isinstance(value, list):
        return tuple(_value(item) for item in value)
    target = _CORE.get(type(value))
    return value if target is None else _core(target, value)


def given(value: _T | None) -> _T | None:
    """None for an argument that was left out."""
    return None if value is UNSET else value
