"""Events of a room, what REST shows of it, and a model of Twilio that makes both."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from gateway.core.events import RoomChangeKind, RoomEvent, RoomEventSource, RoomEventType
from gateway.core.participants import Participant, ParticipantStatus, PublishedTrack, TrackKind
from gateway.core.room_state.history import RoomHistory
from gateway.core.room_state.reconcile import Observation
from gateway.core.rooms import Room, RoomStatus, RoomType
from gateway.core.sids import AccountSid, ParticipantSid, RoomSid, TrackSid
from tests.event_sids import required_sids

ACCOUNT, ROOM = AccountSid("AC" + "0" * 32), RoomSid("RM" + "0" * 32)
ADA, MIC = ParticipantSid("PA" + "1" * 32), TrackSid("MT" + "1" * 32)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = NOON + timedelta(hours=1)
EMPTY = RoomHistory(ROOM, ACCOUNT)
Types = RoomEventType


def event(type_: RoomEventType, at: datetime = NOON, **values: Any) -> RoomEvent:
    defaults: dict[str, Any] = {"event_time": at, "room_name": "daily"} | required_sids(type_)
    return RoomEvent(type=type_, account_sid=ACCOUNT, room_sid=ROOM, **defaults | values)


def of_ada(type_: RoomEventType, at: datetime = NOON, **values: Any) -> RoomEvent:
    return event(type_, at, participant_sid=ADA, participant_identity="Ada", **values)


def history_of(*events: RoomEvent) -> RoomHistory:
    history = EMPTY
    for n, logged in enumerate(events, 1):
        history = history.after(logged, n)
    return history


def room(status: RoomStatus = RoomStatus.IN_PROGRESS, **values: Any) -> Room:
    settings: dict[str, Any] = {
        "unique_name": "daily",
        "create_time": NOON,
        "max_participants": 50,
        "max_participant_duration": 14_400,
        "empty_room_timeout": 5,
        "unused_room_timeout": 5,
    }
    return Room(
        sid=ROOM, account_sid=ACCOUNT, status=status, type=RoomType.GROUP, **settings | values
    )


def ada(status: ParticipantStatus = ParticipantStatus.CONNECTED, **values: Any) -> Participant:
    return Participant(
        sid=ADA,
        room_sid=ROOM,
        account_sid=ACCOUNT,
        status=status,
        identity="Ada",
        **{"start_time": NOON} | values,
    )


def mic(*, muted: bool = False, **values: Any) -> PublishedTrack:
    dates = {"create_time": NOON, "update_time": NOON}
    return PublishedTrack(
        sid=MIC,
        participant_sid=ADA,
        room_sid=ROOM,
        kind=TrackKind.AUDIO,
        muted=muted,
        **dates | values,
    )


def observed(at: datetime = NOW, as_of_n: int = 100, **parts: Any) -> Observation:
    return Observation(at=at, as_of_n=as_of_n, **parts)


CREATED = event(Types.ROOM_CREATED)
JOINED = of_ada(Types.PARTICIPANT_CONNECTED)
LEFT = of_ada(Types.PARTICIPANT_DISCONNECTED)
ADDED = of_ada(Types.TRACK_ADDED, track_sid=MIC)
REMOVED = of_ada(Types.TRACK_REMOVED, track_sid=MIC)
DISABLED = of_ada(Types.TRACK_DISABLED, track_sid=MIC)
ENDED = event(Types.ROOM_ENDED, room_status=RoomStatus.COMPLETED)
OVER = room(RoomStatus.COMPLETED, end_time=NOON, duration=60)
COMPLETED_BY_US = event(
    Types.ROOM_CHANGED, source=RoomEventSource.MUTATION, change=RoomChangeKind.ROOM, room=OVER
)


@dataclass
class World:
    """A model of Twilio: the events of its callbacks, ten seconds apart, and what REST
    shows."""

    history: list[RoomEvent] = field(default_factory=list)
    participants: dict[ParticipantSid, Participant] = field(default_factory=dict)
    tracks: dict[str, dict[str, PublishedTrack]] = field(default_factory=dict)
    end: datetime | None = None

    def act(self, choice: int) -> None:
        random = Random(choice)
        at = NOON + timedelta(seconds=10 * len(self.history) + random.random())
        date = at.replace(microsecond=0)
        present = [
            sid
            for sid, participant in self.participants.items()
            if participant.status is ParticipantStatus.CONNECTED
        ]
        action = random.choice(
            ["join", "join", "leave", "add", "add", "remove", "switch", "switch", "end"]
        )
        if not self.history and random.random() < 0.5:
            created = event(Types.ROOM_CREATED, at, source=RoomEventSource.MUTATION, room=room())
            self.history.append(created)
        elif not self.history:
            self._emit(Types.ROOM_CREATED, at)
        elif self.end is not None or (action != "join" and action != "end" and not present):
            return
        elif action == "join":
            sid = ParticipantSid(f"PA{len(self.participants):032x}")
            self.participants[sid] = replace(ada(start_time=date), sid=sid)
            self.tracks[sid] = {}
            self._emit(Types.PARTICIPANT_CONNECTED, at, sid)
        elif action == "end":
            for sid in present:
                self._leave(sid, at, date)
            self.end = date
            self._emit(Types.ROOM_ENDED, at)
        elif action == "leave":
            self._leave(random.choice(present), at, date)
        else:
            self._publish(action, random, random.choice(present), at, date)

    def _leave(self, sid: ParticipantSid, at: datetime, date: datetime) -> None:
        self.participants[sid] = replace(
            self.participants[sid], status=ParticipantStatus.DISCONNECTED, end_time=date, duration=1
        )
        self.tracks[sid] = {}
        self._emit(Types.PARTICIPANT_DISCONNECTED, at, sid)

    def _publish(self, action: str, random: Random, sid: str, at: datetime, date: datetime) -> None:
        tracks = self.tracks[sid]
        if action == "add":
            track = TrackSid(f"MT{len(self.history):032x}")
            tracks[track] = replace(mic(create_time=date, update_time=date), sid=track)
            self._emit(Types.TRACK_ADDED, at, sid, track)
        elif tracks:
            track = TrackSid(random.choice(list(tracks)))
            if action == "remove":
                del tracks[track]
                self._emit(Types.TRACK_REMOVED, at, sid, track)
            else:
                is_muted = not tracks[track].muted
                tracks[track] = replace(tracks[track], muted=is_muted, update_time=date)
                self._emit(
                    Types.TRACK_DISABLED if is_muted else Types.TRACK_ENABLED, at, sid, track
                )

    def _emit(
        self,
        type_: RoomEventType,
        at: datetime,
        participant: str | None = None,
        track: str | None = None,
    ) -> None:
        self.history.append(
            event(
                type_,
                at,
                participant_sid=participant,
                track_sid=track,
                sequence_number=len(self.history),
            )
        )

    def rest(self, as_of_n: int) -> Observation:
        status = RoomStatus.IN_PROGRESS if self.end is None else RoomStatus.COMPLETED
        return observed(
            as_of_n=as_of_n,
            room=room(status, end_time=self.end),
            participants=tuple(self.participants.values()),
            has_all_present=True,
            tracks={
                sid: tuple(self.tracks[sid].values())
                for sid, participant in self.participants.items()
                if participant.status is ParticipantStatus.CONNECTED
            },
        )


def world(choices: Sequence[int]) -> World:
    model = World()
    for choice in choices:
        model.act(choice)
    return model


# Each number is one random action of the model.
CHOICES = st.lists(st.integers(0, 10_000), min_size=1, max_size=40)
