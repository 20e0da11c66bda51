"""The transcription of a room. A room has at most one. Does no I/O.

https://www.twilio.com/docs/video/api/transcriptions
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world.model import (
    Instant,
    Room,
    Transcription,
    TranscriptionStatus,
    new_ordinal,
    new_sid,
)
from gateway.sandbox.world.room_change import RoomChange, check_in_progress

STARTED, STOPPED, FAILED = TranscriptionStatus


def is_started(room: Room) -> bool:
    return room.transcription is not None and room.transcription.status is STARTED


def create(room: Room, configuration: Mapping[str, str], now: Instant) -> RoomChange:
    check_in_progress(room)
    if room.transcription:
        raise TwilioError(20001, "The Room has a transcription already")
    change = RoomChange(room, now)
    add(change, configuration, STARTED)
    return change


def add(change: RoomChange, configuration: Mapping[str, str], status: TranscriptionStatus) -> None:
    """Adds a transcription with the given status to the room of the change."""
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
    now: Instant,
) -> RoomChange:
    """Changes the status and the named properties of the configuration.

    Setting the present status changes nothing. A failed transcription cannot be
    started again.
    """
    check_in_progress(room)
    change = RoomChange(room, now)
    old = room.transcription
    if old is None:
        raise LookupError("the room has no transcription to update")
    if old.status is FAILED and status is not None:
        raise TwilioError(20001, "A failed transcription cannot be started again")
    if configuration is not None:
        _replace(change, replace(old, configuration={**old.configuration, **configuration}))
    match status:
        case TranscriptionStatus.STARTED if old.status is STOPPED:
            _set_status(change, STARTED)
        case TranscriptionStatus.STOPPED if old.status is STARTED:
            _set_status(change, STOPPED)
    return change


def stop(change: RoomChange) -> None:
    """Stops a started transcription, because its room ends."""
    if is_started(change.room):
        _set_status(change, STOPPED)


def fail(room: Room, now: Instant) -> RoomChange:
    change = RoomChange(room, now)
    if is_started(room):
        _set_status(change, FAILED)
    return change


def _set_status(change: RoomChange, status: TranscriptionStatus) -> None:
    if change.room.transcription is None:
        return
    new = replace(change.room.transcription, status=status)
    if status is STARTED:
        _replace(change, replace(new, started_at=change.now.wall, ended_at=None))
    else:
        _replace(change, replace(new, ended_at=change.now.wall))


def _replace(change: RoomChange, transcription: Transcription) -> None:
    change.room = replace(
        change.room, transcription=replace(transcription, updated_at=change.now.wall)
    )
