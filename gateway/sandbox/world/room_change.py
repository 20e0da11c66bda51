"""One change of one room at one moment. Does no I/O."""

from dataclasses import replace
from typing import Any

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world.model import (
    Event,
    EventName,
    Moment,
    Participant,
    Recording,
    Room,
    Track,
)


class RoomChange:
    """Collects the new state and the events, in their order."""

    def __init__(self, room: Room, now: Moment) -> None:
        self.room = room
        self.now = now
        self.events: list[Event] = []
        self.participant: Participant | None = None

    def change(self, **changes: Any) -> None:
        self.room = replace(self.room, updated_at=self.now.wall, **changes)

    def change_participant(self, participant: Participant, **changes: Any) -> Participant:
        new = replace(participant, updated_at=self.now.wall, **changes)
        everyone = tuple(new if each.sid == new.sid else each for each in self.room.participants)
        # The room's own date_updated does not move when its people do.
        self.room = replace(self.room, participants=everyone)
        self.participant = new
        return new

    def replace_track(self, participant: Participant, new: Track) -> Participant:
        tracks = tuple(new if each.sid == new.sid else each for each in participant.tracks)
        return self.change_participant(participant, tracks=tracks)

    def add_recording(self, recording: Recording) -> None:
        self.room = replace(self.room, recordings=(*self.room.recordings, recording))

    def change_recording(self, recording: Recording, **changes: Any) -> Recording:
        new = replace(recording, **changes)
        everything = tuple(new if each.sid == new.sid else each for each in self.room.recordings)
        self.room = replace(self.room, recordings=everything)
        return new

    def tell(self, name: EventName, **parts: Any) -> None:
        sequence = self.room.next_sequence
        self.room = replace(self.room, next_sequence=sequence + 1)
        self.events.append(Event(name, self.now.wall, self.room, sequence, **parts))

    def tell_recording(self, name: EventName, recording: Recording, **parts: Any) -> None:
        participant = self.room.participant(recording.participant_sid)
        event = Event(
            name, self.now.wall, self.room, participant=participant, recording=recording, **parts
        )
        self.events.append(event)


def check_open(room: Room) -> None:
    if not room.is_in_progress:
        raise TwilioError(53118)
