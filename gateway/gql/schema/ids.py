"""Node ids, and the refs that accept them. Does no I/O.

An id lists SIDs from the room down, as in `RM…:PA…:MT…`. A ref that names something
within its parent accepts such an id and uses the last part only: that SID belongs to
no other parent.
"""

from gateway.core.participants import ParticipantRef, TrackRef
from gateway.core.sids import ParticipantSid, RoomSid, TrackSid, is_sid
from gateway.core.transcriptions import Ttid, checked_ttid, is_ttid

_SIDS = (RoomSid, ParticipantSid, TrackSid)


def parse_node_id(text: str) -> tuple[str, ...] | None:
    """The SIDs in the id of a room, a participant or a published track.

    None for any other text.
    """
    parts = tuple(text.split(":"))
    if len(parts) > len(_SIDS) or not all(
        is_sid(kind, part) for kind, part in zip(_SIDS, parts, strict=False)
    ):
        return None
    return parts


def parse_transcription_id(text: str) -> tuple[RoomSid, Ttid] | None:
    """The parts of a transcription's id. None for any other text.

    A text that could be a participant's id is not a transcription's.
    """
    room, _, ttid = text.partition(":")
    if not is_sid(RoomSid, room) or not is_ttid(ttid) or is_sid(ParticipantSid, ttid):
        return None
    return RoomSid(room), Ttid(ttid)


def participant_ref(text: str) -> ParticipantRef:
    """From an id, a SID or an identity. Raises InvalidArgument."""
    return ParticipantRef.of(_last_sid(text, 2))


def track_ref(text: str) -> TrackRef:
    """From an id, a SID or a name. Raises InvalidArgument."""
    return TrackRef.of(_last_sid(text, 3))


def transcription_ref(text: str) -> Ttid:
    """From an id or a ttid. Raises InvalidArgument."""
    parts = parse_transcription_id(text)
    return checked_ttid(text) if parts is None else parts[1]


def _last_sid(text: str, length: int) -> str:
    """The last SID of an id with `length` parts; the text itself for any other text."""
    parts = parse_node_id(text)
    return text if parts is None or len(parts) != length else parts[-1]
