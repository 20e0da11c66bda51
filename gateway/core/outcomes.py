"""Errors that a caller should expect, with the data that help it to go on. Does no I/O.

A room or a participant in an error is one that the caller may see. Code that raises the
error has checked that.
"""

from collections.abc import Mapping
from typing import Final

from gateway.core.caching import ReadResult
from gateway.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    NotFound,
    Reason,
    TwilioFault,
)
from gateway.core.participants import Participant
from gateway.core.rooms import Room

NAME_TAKEN: Final = "a room in progress has this `unique_name`: use that room or another name"
KEY_REUSED: Final = (
    "this `idempotency_key` was used for another request: "
    "use a new one for each request that is not a retry"
)
ROOM_ENDED: Final = "the room has ended, so it cannot be changed or joined: create a new one"
PARTICIPANT_LEFT: Final = "the participant is no longer connected: nothing is left to do"
TRANSCRIPTION_EXISTS: Final = (
    "the room has a transcription already and can have one only: update that one"
)
TRANSCRIPTION_FAILED: Final = (
    "the transcription has failed, so it cannot be started or stopped: use another room"
)

NOT_FOUND: Final[Mapping[Reason, str]] = {
    Reason.ROOM_NOT_FOUND: (
        "no such room: give the SID of a room, or the name of a room in progress"
    ),
    Reason.PARTICIPANT_NOT_FOUND: (
        "no such participant: give the SID of a participant who is or was in the room, "
        "or the identity of one who is in it now"
    ),
    Reason.TRACK_NOT_FOUND: (
        "no such track: give the SID of a track that the participant has now; "
        "a published track has a name too"
    ),
    Reason.RECORDING_NOT_FOUND: (
        "no such recording: give the SID of a recording that Twilio has, "
        "and that is of the room if the request names one"
    ),
    Reason.MEDIA_NOT_FOUND: (
        "no such media: give the SID of a completed recording whose media has not been deleted"
    ),
    Reason.TRANSCRIPTION_NOT_FOUND: (
        "no such transcription: give the id that Twilio assigned to the room's transcription"
    ),
    Reason.INSIGHTS_NOT_FOUND: (
        "no such summary: give the SID of a room that ended some minutes to 7 days ago, "
        "and of a participant who was in it"
    ),
    Reason.NOT_FOUND: (
        "Twilio has nothing with this SID or name: check it, and whether it has ended"
    ),
}
"""Messages by what does not exist."""


class NameTaken(AlreadyExists):
    """`room` is the room in progress that has the name, or None if it is not known."""

    def __init__(
        self, room: ReadResult[Room] | None = None, *, twilio: TwilioFault | None = None
    ) -> None:
        super().__init__(NAME_TAKEN, reason=Reason.NAME_TAKEN, twilio=twilio)
        self.room = room

    def metadata(self) -> dict[str, str]:
        return _metadata_of(self.room)


class IdempotencyKeyReused(AlreadyExists):
    """`room` is the room of the request that the key belongs to, or None if it is not
    known."""

    def __init__(self, room: ReadResult[Room] | None = None) -> None:
        super().__init__(KEY_REUSED, reason=Reason.IDEMPOTENCY_KEY_REUSED)
        self.room = room

    def metadata(self) -> dict[str, str]:
        return _metadata_of(self.room)


class RoomAlreadyEnded(FailedPrecondition):
    """`room` is the room, or None if it could not be read."""

    def __init__(
        self, room: ReadResult[Room] | None = None, *, twilio: TwilioFault | None = None
    ) -> None:
        super().__init__(ROOM_ENDED, reason=Reason.ROOM_ALREADY_ENDED, twilio=twilio)
        self.room = room

    def metadata(self) -> dict[str, str]:
        return _metadata_of(self.room)


class ParticipantAlreadyLeft(FailedPrecondition):
    """`participant` is the participant, or None if it could not be read."""

    def __init__(
        self,
        participant: ReadResult[Participant] | None = None,
        *,
        twilio: TwilioFault | None = None,
    ) -> None:
        super().__init__(PARTICIPANT_LEFT, reason=Reason.PARTICIPANT_ALREADY_LEFT, twilio=twilio)
        self.participant = participant

    def metadata(self) -> dict[str, str]:
        if self.participant is None:
            return {}
        participant = self.participant.value
        return {"room_sid": participant.room_sid, "participant_sid": participant.sid}


def not_found(reason: Reason, *, twilio: TwilioFault | None = None) -> NotFound:
    """Returns the error for what does not exist, or what the caller may not see."""
    return NotFound(NOT_FOUND[reason], reason=reason, twilio=twilio)


def _metadata_of(room: ReadResult[Room] | None) -> dict[str, str]:
    return {} if room is None else {"room_sid": room.value.sid}
