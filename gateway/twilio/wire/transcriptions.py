"""Transcriptions of rooms. Does no I/O. https://www.twilio.com/docs/video/api/transcriptions"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core.sids import RoomSid
from gateway.core.transcriptions import (
    Transcription,
    TranscriptionsConfiguration,
    TranscriptionUpdate,
    Ttid,
    checked_ttid,
)
from gateway.twilio.wire.exchange import WireRequest, json_text, without_none
from gateway.twilio.wire.reading import Said
from gateway.twilio.wire.resource import Listed, TwilioResource, room_path

# The only JSON of Video's that is not in snake_case.
_KEYS: Final[Mapping[str, str]] = {
    "transcription_engine": "transcriptionEngine",
    "speech_model": "speechModel",
    "language_code": "languageCode",
    "partial_results": "partialResults",
    "profanity_filter": "profanityFilter",
    "hints": "hints",
    "enable_automatic_punctuation": "enableAutomaticPunctuation",
}
_FLAGS: Final = frozenset({"partial_results", "profanity_filter", "enable_automatic_punctuation"})


def _adapted(said: Said) -> Said:
    configuration = said.get("configuration")
    if not isinstance(configuration, dict):
        return said
    values = {name: configuration.get(key) for name, key in _KEYS.items()}
    return {**said, "configuration": {name: _plain(name, value) for name, value in values.items()}}


def _plain(name: str, value: object) -> object:
    """Every value comes back as text, though sent as what it is: true as "true", hints as a list written out."""
    if name in _FLAGS and isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    if name == "hints" and isinstance(value, str):
        return _hints(value)
    return value


def _hints(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return [phrase for phrase in (part.strip() for part in text.split(",")) if phrase]


_TRANSCRIPTIONS: Final = TwilioResource(Transcription, "transcriptions", adapt=_adapted)


def fetch_transcription(room: RoomSid, ttid: Ttid) -> WireRequest[Transcription]:
    return _TRANSCRIPTIONS.fetch(_transcription(room, ttid))


def list_transcriptions(
    room: RoomSid, page_size: int, page_query: str | None = None
) -> WireRequest[Listed[Transcription]]:
    return _TRANSCRIPTIONS.list(room_path(room, "Transcriptions"), (), page_size, page_query)


def create_transcription(
    room: RoomSid, configuration: TranscriptionsConfiguration | None = None
) -> WireRequest[Transcription]:
    return _TRANSCRIPTIONS.create(
        room_path(room, "Transcriptions"), (("Configuration", _optional(configuration)),)
    )


def update_transcription(
    room: RoomSid, ttid: Ttid, wanted: TranscriptionUpdate
) -> WireRequest[Transcription]:
    """May be repeated whatever became of it: a status that it has already changes nothing."""
    parameters = (("Status", wanted.status), ("Configuration", _optional(wanted.configuration)))
    return _TRANSCRIPTIONS.post(_transcription(room, ttid), parameters)


def configuration_json(configuration: TranscriptionsConfiguration) -> str:
    return json_text(
        without_none({key: getattr(configuration, name) for name, key in _KEYS.items()})
    )


def _optional(configuration: TranscriptionsConfiguration | None) -> str | None:
    return None if configuration is None else configuration_json(configuration)


def _transcription(room: RoomSid, ttid: Ttid) -> str:
    return room_path(room, "Transcriptions", checked_ttid(ttid))
