"""Ids of objects, and the arguments that accept one. Does no I/O.

An id lists SIDs from the room down, as in `RM…:PA…:MT…`. A word in it tells apart
objects with the same SIDs, as in `RM…:recordingRules`. An argument that names something
within its parent also accepts such an id, and uses its last SID only: that SID belongs
to no other parent.
"""

import re
from collections.abc import Mapping
from typing import Final

from gateway.core.sids import (
    PREFIXES,
    ParticipantSid,
    RecordingSid,
    RoomSid,
    TrackSid,
    checked_sid,
)
from gateway.core.transcriptions import Ttid, checked_ttid

_ROOM, _PARTICIPANT, _TRACK, _RECORDING = (
    f"({PREFIXES[kind][0]}[0-9a-fA-F]{{32}})"
    for kind in (RoomSid, ParticipantSid, TrackSid, RecordingSid)
)
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    type_: re.compile(form)
    for type_, form in {
        "Room": _ROOM,
        "Participant": f"{_ROOM}:{_PARTICIPANT}",
        "PublishedTrack": f"{_ROOM}:{_PARTICIPANT}:{_TRACK}",
        "SubscribedTrack": f"{_ROOM}:{_PARTICIPANT}:subscribed:{_TRACK}",
        "SubscribeRules": f"{_ROOM}:{_PARTICIPANT}:subscribeRules",
        "RecordingRules": f"{_ROOM}:recordingRules",
        "Recording": _RECORDING,
        "InsightsRoom": f"{_ROOM}:insights",
        "InsightsParticipant": f"{_ROOM}:{_PARTICIPANT}:insights",
        # A ttid is any word: this form comes last.
        "Transcription": rf"{_ROOM}:([A-Za-z0-9_-]{{1,128}})",
    }.items()
}


def parse_id(text: str) -> tuple[str, tuple[str, ...]] | None:
    """The type of the object with this id, and the SIDs in the id.

    None for a text that is not the id of a Node.
    """
    for type_, form in _FORMS.items():
        if match := form.fullmatch(text):
            return type_, match.groups()
    return None


def room_sid(text: str, argument: str) -> RoomSid:
    """From the SID of a room, or from the id of the room or of its summary.

    Raises InvalidArgument.
    """
    return checked_sid(RoomSid, _last_sid(text, "InsightsRoom"), argument)


def participant_sid(text: str, argument: str) -> ParticipantSid:
    """From the SID of a participant, or from the id of the participant or of its
    summary. Raises InvalidArgument."""
    sid = _last_sid(text, "Participant", "InsightsParticipant")
    return checked_sid(ParticipantSid, sid, argument)


def track_sid(text: str, argument: str) -> TrackSid:
    """From the SID or id of a track. Raises InvalidArgument."""
    return checked_sid(TrackSid, _last_sid(text, "PublishedTrack", "SubscribedTrack"), argument)


def recording_sid(text: str, argument: str) -> RecordingSid:
    """From the SID of a recording, which is its id too. Raises InvalidArgument."""
    return checked_sid(RecordingSid, text, argument)


def transcription_id(text: str, argument: str) -> Ttid:
    """From the ttid or id of a transcription. Raises InvalidArgument."""
    return checked_ttid(_last_sid(text, "Transcription"), argument)


def _last_sid(text: str, *types: str) -> str:
    """The last SID in the id of an object of one of the types.

    The text itself for any other text.
    """
    type_, sids = parse_id(text) or ("", ())
    return sids[-1] if type_ in types else text
