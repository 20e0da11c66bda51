"""One change of one room at one instant. Does no I/O."""

from dataclasses import replace
from typing import Any

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world.model import (
    Event,
    EventName,
    Instant,
    Participant,
    Recording,
    Room,
    Track,
)


class RoomChange:
    """Collects the new state of a room and the events of the change, in their order.

    `participant` is the participant that the change is about, in the new state.
    """

    def __init__(self, room: Room, now: Instant) -> None:
        self.room = room
        self.now = now
        self.events: list[Event] = []
        self.participant: Participant | None = None

    def update_room(self, **fields: Any) -> None:
        self.room = replace(self.room, updated_at=self.now.wall, **fields)

    def update_participant(self, participant: Participant, **fields: Any) -> Participant:
        """Changes a participant. The room's own date_updated stays the same."""
        new = replace(participant, updated_at=self.now.wall, **fields)
        participants = tuple(new if old.sid == new.sid else old for old in self.room.participants)
        self.room = replace(self.room, participants=participants)
        self.participant = new
        return new

    def replace_track(self, participant: Participant, new: Track) -> Participant:
        tracks = tuple(new if old.sid == new.sid else old for old in participant.tracks)
        return self.update_participant(participant, tracks=tracks)

    def add_recording(self, recording: Recording) -> None:
        self.room = replace(self.room, recordings=(*self.room.recordings, recording))

    def update_recording(self, recording: Recording, **fields: Any) -> Recording:
        new = replace(recording, **fields)
        recordings = tuple(new if old.sid == new.sid else old for old in self.room.recordings)
        self.room = replace(self.room, recordings=recordings)
        return new

    def emit(self, name: EventName, **fields: Any) -> None:
        """Adds an event with the room's next sequence number."""
        sequence = self.room.next_sequence
        self.room = replace(self.room, next_sequence=sequence + 1)
        self.events.append(Event(name, self.now.wall, self.room, sequence, **fields))

    def emit_recording_event(self, name: EventName, recording: Recording, **fields: Any) -> None:
        """Adds an event about a recording. Such events have no sequence number."""
        participant = self.room.participant(recording.participant_sid)
        event = Event(
            name, self.now.wall, self.room, participant=participant, recording=recording, **fields
        )
        self.events.append(event)


def check_in_progress(room: Room) -> None:
    """Raises 53118 for a room that has ended."""
    if not room.is_in_progress:
        raise TwilioError(53118)
