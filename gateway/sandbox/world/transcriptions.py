"""The transcription of a room, of which there is one at most. Does no I/O.

https://www.twilio.com/docs/video/api/transcriptions
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world.model import (
    Moment,
    Room,
    Transcription,
    TranscriptionStatus,
    new_ordinal,
    new_sid,
)
from gateway.sandbox.world.room_change import RoomChange, check_open

STARTED, STOPPED, FAILED = TranscriptionStatus


def is_started(room: Room) -> bool:
    return room.transcription is not None and room.transcription.status is STARTED


def create(room: Room, configuration: Mapping[str, str], now: Moment) -> RoomChange:
    check_open(room)
    if room.transcription:
        raise TwilioError(20001, "The Room has a transcription already")
    change = RoomChange(room, now)
    begin(change, configuration, STARTED)
    return change


def begin(
    change: RoomChange, configuration: Mapping[str, str], status: TranscriptionStatus
) -> None:
    transcription = Transcription(
        ttid=f"video_extension_{uuid.uuid4()}",
        ordinal=new_ordinal(),
        source_sid=new_sid("CA"),
        status=status,
        configuration=configuration,
        created_at=change.now.wall,
        started_at=change.now.wall,
        ended_at=change.now.wall if status is FAILED else None,
    )
    change.room = replace(change.room, transcription=transcription)


def update(
    room: Room,
    status: TranscriptionStatus | None,
    configuration: Mapping[str, str] | None,
    now: Moment,
) -> RoomChange:
    """What is named changes; a status that it has already changes nothing. A failed one cannot be started again."""
    check_open(room)
    change = RoomChange(room, now)
    old = room.transcription
    if old is None:
        raise LookupError("there is nothing to update")
    if old.status is FAILED and status is not None:
        raise TwilioError(20001, "A failed transcription cannot be started again")
    if configuration is not None:
        _change(change, replace(old, configuration={**old.configuration, **configuration}))
    match status:
        case TranscriptionStatus.STARTED if old.status is STOPPED:
            _set(change, STARTED)
        case TranscriptionStatus.STOPPED if old.status is STARTED:
            _set(change, STOPPED)
    return change


def end(change: RoomChange) -> None:
    """With its room."""
    if is_started(change.room):
        _set(change, STOPPED)


def fail(room: Room, now: Moment) -> RoomChange:
    change = RoomChange(room, now)
    if is_started(room):
        _set(change, FAILED)
    return change


def _set(change: RoomChange, status: TranscriptionStatus) -> None:
    if change.room.transcription is None:
        return
    changed = replace(change.room.transcription, status=status)
    if status is STARTED:
        _change(change, replace(changed, started_at=change.now.wall, ended_at=None))
    else:
        _change(change, replace(changed, ended_at=change.now.wall))


def _change(change: RoomChange, transcription: Transcription) -> None:
    change.room = replace(
        change.room, transcription=replace(transcription, updated_at=change.now.wall)
    )
