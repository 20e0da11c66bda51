"""Who is in a room, from the event log alone. Does no I/O.

The log knows who is in a room if it has the room's whole story: everything since the
room began, or since the reconciler read all of the room from Twilio's REST API.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from gateway.core.events import RoomEvent, RoomEventType, end_of
from gateway.core.participants import Participant, ParticipantStatus, PublishedTrack
from gateway.core.room_state.history import SequenceNumbers, sequence_number_of
from gateway.core.room_state.live import RoomState, Stay
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType

ENDED_STAYS_KEPT: Final = 50
"""How many stays that ended more than 20 minutes ago are kept for a room. They only
guard against events that are still older."""


@dataclass(frozen=True, slots=True)
class SnapshotStay:
    """A participant that Twilio shows in a room, with its published tracks."""

    participant: Participant
    tracks: tuple[PublishedTrack, ...]


@dataclass(frozen=True, slots=True)
class PresenceSnapshot:
    """Who was in a room, as Twilio's REST API showed it to the reconciler.

    It shows everything that the log of `epoch` has up to the number `as_of_n`. Sequence
    numbers up to `highest_number` need not be in the log: whatever they reported, the
    snapshot shows what became of it.
    """

    epoch: str
    as_of_n: int
    highest_number: int | None
    stays: tuple[SnapshotStay, ...]


@dataclass(frozen=True)
class PresenceState:
    """What the log says about who is in a room.

    The same events, in any order and with any repeats, give the same `present`.
    """

    state: RoomState
    numbers: SequenceNumbers = field(default_factory=SequenceNumbers)
    has_beginning: bool = False
    """Whether the state has the room's beginning, or a snapshot in its place."""

    @classmethod
    def empty(cls, sid: RoomSid, account_sid: AccountSid) -> "PresenceState":
        """The state before the first event."""
        return cls(RoomState(_room(sid, account_sid)))

    @classmethod
    def from_snapshot(
        cls, sid: RoomSid, account_sid: AccountSid, snapshot: PresenceSnapshot
    ) -> "PresenceState":
        """The state before the first event after the snapshot."""
        highest = snapshot.highest_number
        return cls(
            RoomState.from_snapshot(
                _room(sid, account_sid),
                ((stay.participant, stay.tracks) for stay in snapshot.stays),
            ),
            # As if every number up to here had been seen.
            SequenceNumbers() if highest is None else SequenceNumbers(0, highest),
            has_beginning=True,
        )

    def after(self, event: RoomEvent) -> "PresenceState":
        """The state after this event of the room."""
        return replace(
            self,
            state=self.state.after(event).bounded(ENDED_STAYS_KEPT),
            numbers=self.numbers.after(sequence_number_of(event)),
        )

    def begun(self) -> "PresenceState":
        """The state, with the proof that it has the room's beginning."""
        return replace(self, has_beginning=True)

    @property
    def size(self) -> int:
        """How many stays the state holds."""
        return len(self.state.stays)

    @property
    def has_ended(self) -> bool:
        return self.state.ended is not None

    @property
    def is_known(self) -> bool:
        """Whether it is known who is in the room: because neither its beginning nor a
        sequence number is missing, or because it has ended."""
        return self.has_ended or (self.has_beginning and not self.numbers.missing)

    @cached_property
    def present(self) -> tuple[Stay, ...] | None:
        """The stays of the participants in the room, in the order in which they began.

        None if that is not known. Empty once the room has ended.
        """
        if self.has_ended:
            return ()
        return self.state.view.present if self.is_known else None


@dataclass(frozen=True, slots=True)
class RoomPresence:
    """Who is in a room, by all events of the log up to `as_of`."""

    room_sid: RoomSid
    as_of: str
    """A cursor."""
    participants: tuple[Stay, ...]
    """In the order in which they connected."""

    @property
    def participant_count(self) -> int:
        return len(self.participants)


def is_final(event: RoomEvent) -> bool:
    """Whether the event reports the end of a room, of a stay or of a track. No later
    event takes it back."""
    participant = event.participant
    return (
        event.type in (RoomEventType.PARTICIPANT_DISCONNECTED, RoomEventType.TRACK_REMOVED)
        or (participant is not None and participant.status is ParticipantStatus.DISCONNECTED)
        or end_of(event) is not None
    )


def _room(sid: RoomSid, account_sid: AccountSid) -> Room:
    """The room as far as presence needs it. Its settings stand for nothing."""
    return Room(
        sid=sid,
        account_sid=account_sid,
        status=RoomStatus.IN_PROGRESS,
        type=RoomType.UNKNOWN,
        max_participants=0,
        max_participant_duration=0,
        empty_room_timeout=0,
        unused_room_timeout=0,
    )
