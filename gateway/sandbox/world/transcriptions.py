"""The transcription of a room, of which there is one at most. Does no I/O.

https://www.twilio.com/docs/video/api/transcriptions
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world.model import Moment, Room, Transcription, TranscriptionStatus, new_ordinal, new_sid
from gateway.sandbox.world.room_change import Turn, check_open

STARTED, STOPPED, FAILED = TranscriptionStatus


def is_started(room: Room) -> bool:
    return room.transcription is not None and room.transcription.status is STARTED


def create(room: Room, configuration: Mapping[str, str], now: Moment) -> Turn:
    check_open(room)
    if room.transcription:
        raise TwilioError(20001, "The Room has a transcription already")
    turn = Turn(room, now)
    begin(turn, configuration, STARTED)
    return turn


def begin(turn: Turn, configuration: Mapping[str, str], status: TranscriptionStatus) -> None:
    transcription = Transcription(
        ttid=f"video_extension_{uuid.uuid4()}",
        ordinal=new_ordinal(),
        source_sid=new_sid("CA"),
        status=status,
        configuration=configuration,
        created_at=turn.now.wall,
        started_at=turn.now.wall,
        ended_at=turn.now.wall if status is FAILED else None,
    )
    turn.room = replace(turn.room, transcription=transcription)


def update(
    room: Room, status: TranscriptionStatus | None, configuration: Mapping[str, str] | None, now: Moment
) -> Turn:
    """What is named changes; a status that it has already changes nothing. A failed one cannot be started again."""
    check_open(room)
    turn = Turn(room, now)
    old = room.transcription
    if old is None:
        raise LookupError("there is nothing to update")
    if old.status is FAILED and status is not None:
        raise TwilioError(20001, "A failed transcription cannot be started again")
    if configuration is not None:
        _change(turn, replace(old, configuration={**old.configuration, **configuration}))
    match status:
        case TranscriptionStatus.STARTED if old.status is STOPPED:
            _set(turn, STARTED)
        case TranscriptionStatus.STOPPED if old.status is STARTED:
            _set(turn, STOPPED)
    return turn


def end(turn: Turn) -> None:
    """With its room."""
    if is_started(turn.room):
        _set(turn, STOPPED)


def fail(room: Room, now: Moment) -> Turn:
    turn = Turn(room, now)
    if is_started(room):
        _set(turn, FAILED)
    return turn


def _set(turn: Turn, status: TranscriptionStatus) -> None:
    if turn.room.transcription is None:
        return
    changed = replace(turn.room.transcription, status=status)
    if status is STARTED:
        _change(turn, replace(changed, started_at=turn.now.wall, ended_at=None))
    else:
        _change(turn, replace(changed, ended_at=turn.now.wall))


def _change(turn: Turn, transcription: Transcription) -> None:
    turn.room = replace(turn.room, transcription=replace(transcription, updated_at=turn.now.wall))
