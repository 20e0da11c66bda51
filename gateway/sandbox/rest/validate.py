"""Validates request parameters, with Twilio's limits and error codes. Does no I/O.

https://www.twilio.com/docs/video/api/rooms-resource
https://www.twilio.com/docs/video/api/transcriptions
"""

import json
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.forms import Form, is_unicode
from gateway.sandbox.world import rules
from gateway.sandbox.world.model import RoomSettings, RoomType, Rule
from gateway.sandbox.world.recordings import WITHOUT_MEDIA_SERVER

MAX_PARTICIPANTS = {
    RoomType.GROUP: 50,
    RoomType.GROUP_SMALL: 4,
    RoomType.PEER_TO_PEER: 10,
    RoomType.GO: 2,
}
LEGACY_TYPES = {RoomType.GROUP_SMALL, RoomType.PEER_TO_PEER, RoomType.GO}
MEDIA_REGIONS = {"gll", "au1", "br1", "de1", "ie1", "in1", "jp1", "sg1", "us1", "us2"}
VIDEO_CODECS = {"VP8", "H264"}
MAX_NAME = 128
MAX_HINTS = 500
MAX_HINT = 100
FLAGS = {"partialResults", "profanityFilter", "enableAutomaticPunctuation"}
ENGINES = {"google", "deepgram"}
MAX_URL = 1023


def room_settings(form: Form, has_legacy_types: bool = True) -> RoomSettings:
    """Validates the parameters of `POST /v1/Rooms`.

    Unknown and misspelled parameters are ignored, as Twilio ignores them.
    """
    name = form.first("UniqueName")
    if name is not None:
        check_name(name, empty=53100, long=53101, bad=53102)
    for key, values in form.values.items():
        if not all(is_unicode(value) for value in values):
            raise TwilioError(
                20001,
                f"{key} is not valid UTF-8" if is_unicode(key) else "A name is not valid UTF-8",
            )
    room_type = _room_type(form, has_legacy_types)
    max_participants = MAX_PARTICIPANTS[room_type]
    form.boolean("EnableTurn", True)
    return RoomSettings(
        unique_name=name,
        type=room_type,
        status_callback=_status_callback(form),
        status_callback_method=_method(form),
        max_participants=form.integer("MaxParticipants", 1, max_participants, 53107)
        or max_participants,
        max_participant_duration_s=form.integer("MaxParticipantDuration", 600, 86_400, 53123)
        or 14_400,
        empty_room_timeout_min=form.integer("EmptyRoomTimeout", 1, 60, 53109) or 5,
        unused_room_timeout_min=form.integer("UnusedRoomTimeout", 1, 60, 53109) or 5,
        is_recorded_on_connect=_is_recorded(form, room_type),
        recording_rules=_recording_rules(form, room_type),
        video_codecs=_video_codecs(form, room_type),
        media_region=_media_region(form),
        is_audio_only=_is_audio_only(form, room_type),
        is_large=form.boolean("LargeRoom", False),
        is_transcribed_on_connect=form.boolean("TranscribeParticipantsOnConnect", False),
        transcription=transcription(form, "TranscriptionsConfiguration") or {},
    )


def check_name(text: str, *, empty: int, long: int, bad: int) -> None:
    """Validates the name of a room or track. Each kind of error has its own code."""
    if not text.strip():
        raise TwilioError(empty)
    if not is_unicode(text) or any(unicodedata.category(char) == "Cc" for char in text):
        raise TwilioError(bad)
    if len(text) > MAX_NAME:
        raise TwilioError(long)


def check_identity(text: str) -> None:
    """Validates an identity of at most 128 characters. A double-byte one counts twice.

    https://www.twilio.com/docs/api/errors/53200
    """
    check_name(text, empty=53200, long=53201, bad=53202)
    if sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text) > MAX_NAME:
        raise TwilioError(53201)


def _room_type(form: Form, has_legacy_types: bool) -> RoomType:
    text = form.first("Type")
    if text is None:
        return RoomType.GROUP
    try:
        room_type = RoomType(text)
    except ValueError as exc:
        raise TwilioError(
            53108, f"RoomType is not valid: use one of {', '.join(RoomType)}"
        ) from exc
    if room_type in LEGACY_TYPES and not has_legacy_types:
        raise TwilioError(53126)
    return room_type


def _status_callback(form: Form) -> str | None:
    """Returns the URL unchanged and with its fragment, because responses echo it."""
    url = form.first("StatusCallback")
    if not url:
        return None
    if not is_callback_url(url):
        raise TwilioError(
            53111,
            "StatusCallback must be an absolute http or https URL of fewer than 1024 characters",
        )
    return url


def is_callback_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_encoded = url.isascii() and url.isprintable() and " " not in url
    return is_encoded and has_host and parts.scheme in ("http", "https") and len(url) <= MAX_URL


def _method(form: Form) -> str:
    method = (form.first("StatusCallbackMethod") or "POST").upper()
    if method not in ("GET", "POST"):
        raise TwilioError(53110, "StatusCallbackMethod must be GET or POST")
    return method


def _is_recorded(form: Form, room_type: RoomType) -> bool:
    is_recorded = form.boolean("RecordParticipantsOnConnect", False)
    if is_recorded and room_type in WITHOUT_MEDIA_SERVER:
        raise TwilioError(
            53114, f"RecordParticipantsOnConnect is not supported by {room_type} Rooms"
        )
    return is_recorded


def _is_audio_only(form: Form, room_type: RoomType) -> bool:
    is_audio_only = form.boolean("AudioOnly", False)
    if is_audio_only and room_type is not RoomType.GROUP:
        raise TwilioError(53124)
    return is_audio_only


def _video_codecs(form: Form, room_type: RoomType) -> tuple[str, ...]:
    codecs = form.all("VideoCodecs")
    if not codecs:
        return ("VP8",) if room_type in WITHOUT_MEDIA_SERVER else ("VP8", "H264")
    if not VIDEO_CODECS.issuperset(codecs):
        raise TwilioError(20001, "VideoCodecs must be VP8 or H264")
    if room_type is RoomType.PEER_TO_PEER:
        raise TwilioError(53114, "VideoCodecs is not supported by peer-to-peer Rooms")
    return tuple(dict.fromkeys(codecs))


def _media_region(form: Form) -> str:
    """`gll` requests the nearest region. The response has the chosen region."""
    region = form.first("MediaRegion") or "gll"
    if region not in MEDIA_REGIONS:
        raise TwilioError(53115)
    return "us1" if region == "gll" else region


def transcription(form: Form, name: str) -> dict[str, str] | None:
    """Validates a TranscriptionsConfiguration.

    Returns its values as strings, as responses show them. Undocumented properties are
    kept, because Twilio may have more than it documents.
    """
    text = form.first(name)
    if text is None:
        return None
    try:
        configuration = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise TwilioError(20001, f"{name} is not JSON") from exc
    if not isinstance(configuration, dict):
        raise TwilioError(20001, f"{name} must be a JSON object")
    return {
        _require_unicode(key, name): _property(key, value, name)
        for key, value in configuration.items()
    }


def _property(key: str, value: Any, name: str) -> str:
    if key == "hints":
        value = _hints(value, name)
    if not isinstance(value, str | bool | int | float):
        raise TwilioError(20001, f"{key} in {name} must be a string, a number, true or false")
    text = _require_unicode(str(value).lower() if isinstance(value, bool) else str(value), name)
    if key in FLAGS and text not in ("true", "false"):
        raise TwilioError(20001, f"{key} in {name} must be true or false")
    if key == "transcriptionEngine" and text not in ENGINES:
        raise TwilioError(20001, f"{key} in {name} must be one of {', '.join(sorted(ENGINES))}")
    return text


def _hints(value: Any, name: str) -> str:
    """Hints are an array of strings, or one string with commas."""
    hints = value.split(",") if isinstance(value, str) else value
    if not isinstance(hints, list) or not all(isinstance(hint, str) for hint in hints):
        raise TwilioError(20001, f"hints in {name} must be strings")
    if len(hints) > MAX_HINTS or any(len(hint.strip()) > MAX_HINT for hint in hints):
        raise TwilioError(
            20001, f"{name} must have at most {MAX_HINTS} hints of {MAX_HINT} characters"
        )
    return ",".join(hint.strip() for hint in hints)


def _require_unicode(text: str, name: str) -> str:
    if not is_unicode(text):
        raise TwilioError(20001, f"{name} is not valid UTF-8")
    return text


def _recording_rules(form: Form, room_type: RoomType) -> tuple[Rule, ...]:
    text = form.first("RecordingRules")
    if not text:
        return ()
    if room_type in WITHOUT_MEDIA_SERVER:
        raise TwilioError(53114, f"RecordingRules is not supported by {room_type} Rooms")
    return rules.parse(text, rules.RECORDING)
