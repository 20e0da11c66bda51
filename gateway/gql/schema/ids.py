"""Ids and the refs that they work as. Does no I/O.

An id leads from the room down, as in `RM…:PA…:MT…`. Where a ref names something within its parent, the id's last part is
meant: its SID belongs to no other parent.
"""

from gateway.core.participants import ParticipantRef, TrackRef
from gateway.core.sids import ParticipantSid, RoomSid, TrackSid, is_sid
from gateway.core.transcriptions import Ttid, checked_ttid, is_ttid

_SIDS = (RoomSid, ParticipantSid, TrackSid)


def sids_of(text: str) -> tuple[str, ...] | None:
    """The parts of the id of a room, a participant or a published track; None for anything else."""
    parts = tuple(text.split(":"))
    if len(parts) > len(_SIDS) or not all(
        is_sid(kind, part) for kind, part in zip(_SIDS, parts, strict=False)
    ):
        return None
    return parts


def transcription_of(text: str) -> tuple[RoomSid, Ttid] | None:
    """The parts of a transcription's id. One that could be a participant's is none."""
    room, _, ttid = text.partition(":")
    if not is_sid(RoomSid, room) or not is_ttid(ttid) or is_sid(ParticipantSid, ttid):
        return None
    return RoomSid(room), Ttid(ttid)


def participant_ref(text: str) -> ParticipantRef:
    """Raises InvalidArgument."""
    return ParticipantRef.of(_last(text, 2))


def track_ref(text: str) -> TrackRef:
    """Raises InvalidArgument."""
    return TrackRef.of(_last(text, 3))


def transcription_ref(text: str) -> Ttid:
    """Raises InvalidArgument."""
    parts = transcription_of(text)
    return checked_ttid(text) if parts is None else parts[1]


def _last(text: str, length: int) -> str:
    parts = sids_of(text)
    return text if parts is None or len(parts) != length else parts[-1]
