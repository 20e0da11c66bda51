"""Transcriptions of rooms. Does no I/O.
https://www.twilio.com/docs/video/api/transcriptions

A room has one transcription. Every function raises InvalidArgument for a text that is
not the SID of a room or the TTID of a transcription.
"""

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
from gateway.twilio.wire.reading import JsonObject
from gateway.twilio.wire.resource import TwilioResource, WirePage, room_path

# The configuration is the only JSON of Video that is not in snake_case.
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


def _adapted(document: JsonObject) -> JsonObject:
    configuration = document.get("configuration")
    if not isinstance(configuration, dict):
        return document
    values = {name: configuration.get(key) for name, key in _KEYS.items()}
    parsed = {name: _parsed(name, value) for name, value in values.items()}
    return {**document, "configuration": parsed}


def _parsed(name: str, value: object) -> object:
    """Returns the value that Twilio shows as text.

    A flag is sent as true and comes back as "true". Hints come back as the text of a
    list.
    """
    if name in _FLAGS and isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    if name == "hints" and isinstance(value, str):
        return _parsed_hints(value)
    return value


def _parsed_hints(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return [phrase for phrase in (part.strip() for part in text.split(",")) if phrase]


_TRANSCRIPTIONS: Final = TwilioResource(Transcription, "transcriptions", adapt=_adapted)


def fetch_transcription(room: RoomSid, ttid: Ttid) -> WireRequest[Transcription]:
    """Returns the request for a transcription. `read` raises NotFound."""
    return _TRANSCRIPTIONS.fetch(_transcription_path(room, ttid))


def list_transcriptions(
    room: RoomSid, page_size: int, page_query: str | None = None
) -> WireRequest[WirePage[Transcription]]:
    """Returns the request for a page of the room's transcriptions.

    For the paging see `TwilioResource.list`.
    """
    return _TRANSCRIPTIONS.list(room_path(room, "Transcriptions"), (), page_size, page_query)


def create_transcription(
    room: RoomSid, configuration: TranscriptionsConfiguration | None = None
) -> WireRequest[Transcription]:
    """Returns the request that starts transcribing a room.

    Without a configuration Twilio uses the defaults of its engine. `read` raises
    QuotaExceeded for too many transcriptions (error 53676), FailedPrecondition if the
    room is not in progress, and OutcomeUnknown if it may have been created.
    """
    parameters = (("Configuration", _optional_json(configuration)),)
    return _TRANSCRIPTIONS.create(room_path(room, "Transcriptions"), parameters)


def update_transcription(
    room: RoomSid, ttid: Ttid, wanted: TranscriptionUpdate
) -> WireRequest[Transcription]:
    """Returns the request that starts, stops or reconfigures a transcription.

    It may be repeated: a status that the transcription has already changes nothing.
    """
    parameters = (
        ("Status", wanted.status),
        ("Configuration", _optional_json(wanted.configuration)),
    )
    return _TRANSCRIPTIONS.post(_transcription_path(room, ttid), parameters)


def configuration_json(configuration: TranscriptionsConfiguration) -> str:
    """Returns the configuration as a JSON object without unset values.

    Raises InvalidArgument for text with a lone surrogate.
    """
    return json_text(
        without_none({key: getattr(configuration, name) for name, key in _KEYS.items()})
    )


def _optional_json(configuration: TranscriptionsConfiguration | None) -> str | None:
    return None if configuration is None else configuration_json(configuration)


def _transcription_path(room: RoomSid, ttid: Ttid) -> str:
    return room_path(room, "Transcriptions", checked_ttid(ttid))
