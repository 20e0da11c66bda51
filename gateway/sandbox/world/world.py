"""Everything that can happen in the sandbox, whoever wants it: REST, the control API, or the people who come and go."""

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
    """What an account may have at once. https://www.twilio.com/docs/video/programmable-video-limits

    The number of transcriptions is not published.
    """

    rooms: int = 10_000
    participants: int = 10_000
    transcriptions: int = 10_000


class World:
    """Changes are made at once and whole: no call here waits for anything. Events go to `emit` in their order."""

    def __init__(
        self,
        account_sids: Iterable[str],
        clock: Clock,
        capacity: Capacity,
        keep_ended: int,
        emit: Callable[[Event], None],
    ) -> None:
        self._clock = clock
        self._full_capacity = capacity
        self.capacity = capacity
        self._keep_ended = keep_ended
        self._emit = emit
        self._stores = {sid: RoomStore(keep_ended) for sid in account_sids}
        self._connected = dict.fromkeys(self._stores, 0)
        self._transcribed = dict.fromkeys(self._stores, 0)

    def store(self, account_sid: str) -> RoomStore:
        return self._stores[account_sid]

    def now_s(self) -> float:
        return self._clock.now().clock_s

    def find_room(self, ref: str) -> Room | None:
        """A room of any account, by SID or by the name it has while in progress."""
        found = (store.by_sid(ref) or store.by_name(ref) for store in self._stores.values())
        return next((room for room in found if room), None)

    def recording(self, sid: str) -> Recording | None:
        """Of any room of any account."""
        everything = (room for store in self._stores.values() for room in store.all_rooms())
        return next((found for room in everything if (found := room.recording(sid))), None)

    def create_room(self, account_sid: str, settings: RoomSettings) -> Room:
        store = self._stores[account_sid]
        if settings.unique_name is not None and store.by_name(settings.unique_name):
            raise TwilioError(53113)
        if store.live_count >= self.capacity.rooms:
            raise TwilioError(53119)
        return self._apply(
            rooms.create(account_sid, store.next_ordinal(), settings, self._clock.now())
        ).room

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
        return self._one(self._apply(change))

    def leave(
        self, room: Room, participant: Participant, departure: Departure = Departure.LEFT
    ) -> Participant:
        return self._one(self._apply(rooms.leave(room, participant, departure, self._clock.now())))

    def set_reconnecting(
        self, room: Room, participant: Participant, is_reconnecting: bool
    ) -> Participant:
        return self._one(
            self._apply(
                rooms.set_reconnecting(room, participant, is_reconnecting, self._clock.now())
            )
        )

    def anonymize(self, room: Room, participant: Participant) -> Participant:
        return self._one(self._apply(rooms.anonymize(room, participant, self._clock.now())))

    def set_subscribe_rules(
        self, room: Room, participant: Participant, rules: tuple[Rule, ...]
    ) -> Participant:
        return self._one(
            self._apply(rooms.set_subscribe_rules(room, participant, rules, self._clock.now()))
        )

    def publish(self, room: Room, participant: Participant, track: TrackSettings) -> Participant:
        return self._one(self._apply(rooms.publish(room, participant, track, self._clock.now())))

    def unpublish(self, room: Room, participant: Participant, track: Track) -> Participant:
        return self._one(self._apply(rooms.unpublish(room, participant, track, self._clock.now())))

    def set_track_enabled(
        self, room: Room, participant: Participant, track: Track, is_enabled: bool
    ) -> Participant:
        return self._one(
            self._apply(
                rooms.set_track_enabled(room, participant, track, is_enabled, self._clock.now())
            )
        )

    def set_recording_rules(self, room: Room, rules: tuple[Rule, ...]) -> Room:
        return self._apply(recordings.set_rules(room, rules, self._clock.now())).room

    def fail_recording(
        self, room: Room, participant: Participant, track: Track, operation: FailedOperation
    ) -> None:
        self._apply(recordings.fail_track(room, participant, track, operation, self._clock.now()))

    def fail_processing(self, room: Room, recording: Recording, operation: FailedOperation) -> None:
        self._apply(recordings.fail(room, recording, operation, self._clock.now()))

    def delete_recording(self, room: Room, recording: Recording) -> None:
        self._apply(recordings.delete(room, recording, self._clock.now()))

    def create_transcription(self, room: Room, configuration: Mapping[str, str]) -> Transcription:
        change = transcriptions.create(room, configuration, self._clock.now())
        return self._transcription(change)

    def update_transcription(
        self,
        room: Room,
        status: TranscriptionStatus | None,
        configuration: Mapping[str, str] | None,
    ) -> Transcription:
        change = transcriptions.update(room, status, configuration, self._clock.now())
        return self._transcription(change)

    def fail_transcription(self, room: Room) -> None:
        self._apply(transcriptions.fail(room, self._clock.now()))

    def reset(self) -> None:
        self._clock.clear()
        self.capacity = self._full_capacity
        self._stores = {sid: RoomStore(self._keep_ended) for sid in self._stores}
        self._connected = dict.fromkeys(self._stores, 0)
        self._transcribed = dict.fromkeys(self._stores, 0)

    def _transcription(self, change: RoomChange) -> Transcription:
        """Applies the turn, unless it starts one transcription too many."""
        before = self._stores[change.room.account_sid].by_sid(change.room.sid)
        is_new = transcriptions.is_started(change.room) and not (
            before and transcriptions.is_started(before)
        )
        if is_new and not self._may_transcribe(change.room):
            raise TwilioError(53676)
        transcription = self._apply(change).room.transcription
        if transcription is None:
            raise LookupError("this turn is about no transcription")
        return transcription

    def _may_transcribe(self, room: Room) -> bool:
        return self._transcribed[room.account_sid] < self.capacity.transcriptions

    def _apply(self, change: RoomChange) -> RoomChange:
        room = change.room
        store = self._stores[room.account_sid]
        before = store.by_sid(room.sid)
        self._connected[room.account_sid] += _headcount(room) - (
            _headcount(before) if before else 0
        )
        self._transcribed[room.account_sid] += transcriptions.is_started(room) - (
            transcriptions.is_started(before) if before else 0
        )
        store.put(room, change.now.clock_s)
        due_s = rooms.next_deadline_s(room)
        if due_s is None:
            self._clock.drop(room.sid)
        else:
            self._clock.alarm(room.sid, due_s, partial(self._expire, room.account_sid, room.sid))
        for event in change.events:
            self._emit(event)
        return change

    def _expire(self, account_sid: str, sid: str) -> None:
        room = self._stores[account_sid].by_sid(sid)
        if room:
            self._apply(rooms.expire(room, self._clock.now()))

    @staticmethod
    def _one(change: RoomChange) -> Participant:
        if change.participant is None:
            raise LookupError("this turn is about no participant")
        return change.participant


def _headcount(room: Room) -> int:
    return sum(1 for _ in room.connected())
