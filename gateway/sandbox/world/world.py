"""All rooms of all accounts, and every operation on them.

The REST API, the control API and the simulated users share these operations.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import recordings, rooms, transcriptions
from gateway.sandbox.world.clock import Clock
from gateway.sandbox.world.model import (
    Departure,
    Event,
    FailedOperation,
    Participant,
    Recording,
    Room,
    RoomSettings,
    Rule,
    Track,
    TrackSettings,
    Transcription,
    TranscriptionStatus,
)
from gateway.sandbox.world.room_change import RoomChange
from gateway.sandbox.world.room_store import RoomStore


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many of each an account may have at once.

    https://www.twilio.com/docs/video/programmable-video-limits
    Twilio does not publish the limit of transcriptions.
    """

    rooms: int = 10_000
    participants: int = 10_000
    transcriptions: int = 10_000


class World:
    """The rooms of all accounts.

    Operations are synchronous and atomic. They pass their events to `emit`, in order.
    """

    def __init__(
        self,
        account_sids: Iterable[str],
        clock: Clock,
        capacity: Capacity,
        max_ended_rooms: int,
        emit: Callable[[Event], None],
    ) -> None:
        self._clock = clock
        self._initial_capacity = capacity
        self.capacity = capacity
        self._max_ended_rooms = max_ended_rooms
        self._emit = emit
        self._stores = {sid: RoomStore(max_ended_rooms) for sid in account_sids}
        self._connected = dict.fromkeys(self._stores, 0)
        self._transcribed = dict.fromkeys(self._stores, 0)

    def store(self, account_sid: str) -> RoomStore:
        return self._stores[account_sid]

    def now_s(self) -> float:
        """Returns the time of the simulated clock."""
        return self._clock.now().clock_s

    def find_room(self, ref: str) -> Room | None:
        """Finds a room of any account, by SID or, while in progress, by name."""
        matches = (store.by_sid(ref) or store.by_name(ref) for store in self._stores.values())
        return next((room for room in matches if room), None)

    def find_recording(self, sid: str) -> Recording | None:
        """Finds a recording of any room of any account."""
        all_rooms = (room for store in self._stores.values() for room in store.all_rooms())
        matches = (room.recording(sid) for room in all_rooms)
        return next((recording for recording in matches if recording), None)

    def create_room(self, account_sid: str, settings: RoomSettings) -> Room:
        store = self._stores[account_sid]
        if settings.unique_name is not None and store.by_name(settings.unique_name):
            raise TwilioError(53113)
        if store.live_count >= self.capacity.rooms:
            raise TwilioError(53119)
        change = rooms.create(account_sid, store.next_ordinal(), settings, self._clock.now())
        return self._apply(change).room

    def complete(self, room: Room) -> Room:
        return self._apply(rooms.complete(room, self._clock.now())).room

    def join(
        self, room: Room, identity: str, tracks: tuple[TrackSettings, ...] = ()
    ) -> Participant:
        if self._connected[room.account_sid] >= self.capacity.participants:
            raise TwilioError(53206)
        may_transcribe = self._may_transcribe(room)
        change = rooms.join(
            room, identity, tracks, self._clock.now(), may_transcribe=may_transcribe
        )
        return self._apply_to_participant(change)

    def leave(
        self, room: Room, participant: Participant, departure: Departure = Departure.LEFT
    ) -> Participant:
        change = rooms.leave(room, participant, departure, self._clock.now())
        return self._apply_to_participant(change)

    def set_reconnecting(
        self, room: Room, participant: Participant, is_reconnecting: bool
    ) -> Participant:
        change = rooms.set_reconnecting(room, participant, is_reconnecting, self._clock.now())
        return self._apply_to_participant(change)

    def anonymize(self, room: Room, participant: Participant) -> Participant:
        return self._apply_to_participant(rooms.anonymize(room, participant, self._clock.now()))

    def set_subscribe_rules(
        self, room: Room, participant: Participant, rules: tuple[Rule, ...]
    ) -> Participant:
        change = rooms.set_subscribe_rules(room, participant, rules, self._clock.now())
        return self._apply_to_participant(change)

    def publish(self, room: Room, participant: Participant, track: TrackSettings) -> Participant:
        return self._apply_to_participant(
            rooms.publish(room, participant, track, self._clock.now())
        )

    def unpublish(self, room: Room, participant: Participant, track: Track) -> Participant:
        return self._apply_to_participant(
            rooms.unpublish(room, participant, track, self._clock.now())
        )

    def set_track_enabled(
        self, room: Room, participant: Participant, track: Track, is_enabled: bool
    ) -> Participant:
        change = rooms.set_track_enabled(room, participant, track, is_enabled, self._clock.now())
        return self._apply_to_participant(change)

    def set_recording_rules(self, room: Room, rules: tuple[Rule, ...]) -> Room:
        return self._apply(recordings.set_rules(room, rules, self._clock.now())).room

    def fail_recording(
        self, room: Room, participant: Participant, track: Track, operation: FailedOperation
    ) -> None:
        """Fails the recording of a published track."""
        self._apply(recordings.fail_track(room, participant, track, operation, self._clock.now()))

    def fail_processing(self, room: Room, recording: Recording, operation: FailedOperation) -> None:
        """Fails a recording whose track may have been removed."""
        self._apply(recordings.fail(room, recording, operation, self._clock.now()))

    def delete_recording(self, room: Room, recording: Recording) -> None:
        self._apply(recordings.delete(room, recording, self._clock.now()))

    def create_transcription(self, room: Room, configuration: Mapping[str, str]) -> Transcription:
        change = transcriptions.create(room, configuration, self._clock.now())
        return self._apply_to_transcription(change)

    def update_transcription(
        self,
        room: Room,
        status: TranscriptionStatus | None,
        configuration: Mapping[str, str] | None,
    ) -> Transcription:
        change = transcriptions.update(room, status, configuration, self._clock.now())
        return self._apply_to_transcription(change)

    def fail_transcription(self, room: Room) -> None:
        self._apply(transcriptions.fail(room, self._clock.now()))

    def reset(self) -> None:
        """Removes all rooms without events and restores the initial capacity."""
        self._clock.cancel_all()
        self.capacity = self._initial_capacity
        self._stores = {sid: RoomStore(self._max_ended_rooms) for sid in self._stores}
        self._connected = dict.fromkeys(self._stores, 0)
        self._transcribed = dict.fromkeys(self._stores, 0)

    def _may_transcribe(self, room: Room) -> bool:
        return self._transcribed[room.account_sid] < self.capacity.transcriptions

    def _apply(self, change: RoomChange) -> RoomChange:
        """Stores the new state, schedules the next timeout and emits the events."""
        room = change.room
        store = self._stores[room.account_sid]
        before = store.by_sid(room.sid)
        self._connected[room.account_sid] += _connected_count(room) - (
            _connected_count(before) if before else 0
        )
        self._transcribed[room.account_sid] += transcriptions.is_started(room) - (
            transcriptions.is_started(before) if before else 0
        )
        store.put(room, change.now.clock_s)
        due_s = rooms.next_deadline_s(room)
        if due_s is None:
            self._clock.cancel(room.sid)
        else:
            expire = partial(self._expire, room.account_sid, room.sid)
            self._clock.schedule(room.sid, due_s, expire)
        for event in change.events:
            self._emit(event)
        return change

    def _apply_to_participant(self, change: RoomChange) -> Participant:
        participant = self._apply(change).participant
        if participant is None:
            raise LookupError("the change has no participant")
        return participant

    def _apply_to_transcription(self, change: RoomChange) -> Transcription:
        """Raises 53676 if the change starts more transcriptions than the capacity."""
        before = self._stores[change.room.account_sid].by_sid(change.room.sid)
        was_started = before is not None and transcriptions.is_started(before)
        is_started = transcriptions.is_started(change.room)
        if is_started and not was_started and not self._may_transcribe(change.room):
            raise TwilioError(53676)
        transcription = self._apply(change).room.transcription
        if transcription is None:
            raise LookupError("the change has no transcription")
        return transcription

    def _expire(self, account_sid: str, sid: str) -> None:
        room = self._stores[account_sid].by_sid(sid)
        if room:
            self._apply(rooms.expire(room, self._clock.now()))


def _connected_count(room: Room) -> int:
    return sum(1 for _ in room.connected())
