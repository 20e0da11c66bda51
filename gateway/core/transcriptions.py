"""Transcriptions of rooms. Does no I/O.
https://www.twilio.com/docs/video/api/transcriptions"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType

from gateway.core.errors import InvalidArgument
from gateway.core.open_enum import OpenEnum, UnknownWord
from gateway.core.sids import AccountSid, RoomSid
from gateway.core.validation import check_text, in_text, one_of

HINTS_LIMIT = 500
HINT_LENGTH = 100

Ttid = NewType("Ttid", str)
"""The id of a transcription. It is opaque: Twilio's docs show two forms of it."""

_TTID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def is_ttid(text: str) -> bool:
    """Whether the text can be the id of a transcription."""
    return _TTID.fullmatch(text) is not None


def checked_ttid(text: str, field: str = "ttid") -> Ttid:
    """Returns the text as the id of a transcription. Raises InvalidArgument."""
    if not is_ttid(text):
        raise InvalidArgument.at(
            field, "is not the id of a transcription; give it as Twilio gave it"
        )
    return Ttid(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionsConfiguration:
    """How speech is transcribed. None leaves the engine's default. Raises
    InvalidArgument."""

    transcription_engine: str | None = None
    speech_model: str | None = None
    language_code: str | None = None
    partial_results: bool | None = None
    profanity_filter: bool | None = None
    hints: tuple[str, ...] | None = None
    enable_automatic_punctuation: bool | None = None

    def __post_init__(self) -> None:
        for text, field in (
            (self.transcription_engine, "transcription_engine"),
            (self.speech_model, "speech_model"),
            (self.language_code, "language_code"),
        ):
            if text is not None:
                check_text(text, field, give="a value that Twilio documents, or leave it out")
        hints = self.hints or ()
        if len(hints) > HINTS_LIMIT:
            raise InvalidArgument.at("hints", f"has {len(hints)} phrases; give up to {HINTS_LIMIT}")
        for index, hint in enumerate(hints):
            if len(hint) > HINT_LENGTH:
                raise InvalidArgument.at(
                    ("hints", index),
                    f"has {len(hint)} characters; give a phrase of up to {HINT_LENGTH}",
                )


class TranscriptionStatus(OpenEnum):
    STARTED = "started"
    STOPPED = "stopped"
    FAILED = "failed"
    """A failed transcription cannot be started again."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription:
    """The transcription of a room, which has at most one. `duration` is in seconds.

    The transcribed text goes to the participants. It is not part of this resource.
    """

    ttid: Ttid
    account_sid: AccountSid
    room_sid: RoomSid
    status: TranscriptionStatus
    source_sid: str | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration: int | None = None
    configuration: TranscriptionsConfiguration | None = None
    url: str | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


_SETTABLE: Final = (TranscriptionStatus.STARTED, TranscriptionStatus.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionUpdate:
    """A change of a transcription: of its status (to STARTED or STOPPED), its
    configuration, or both. Raises InvalidArgument."""

    status: TranscriptionStatus | None = None
    configuration: TranscriptionsConfiguration | None = None

    def __post_init__(self) -> None:
        if self.status is not None and self.status not in _SETTABLE:
            raise InvalidArgument.at(
                "status", f"cannot be set to {in_text(self.status)}; give {one_of(*_SETTABLE)}"
            )
        if self.status is None and self.configuration is None:
            raise InvalidArgument("the update is empty; give `status`, `configuration` or both")
