"""What the event log says about a room, folded into values. Does no I/O.

The fold gives the same result for any order of the same events. Repeated events change
nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from gateway.core.events import RoomEvent, RoomEventSource, RoomEventType, end_of
from gateway.core.open_enum import HttpMethod
from gateway.core.rooms import (
    MAX_PARTICIPANTS,
    AccountSid,
    Ended,
    Room,
    RoomSid,
    RoomStatus,
    RoomType,
    merge_end,
)
from gateway.core.rules import TrackKind

# At most this many missing sequence numbers are kept for a room. A larger jump does not
# look like a row of lost callbacks, but the room is still checked.
MISSING_NUMBERS_LIMIT: Final = 64

# What a track event says about whether the track is enabled.
SWITCHES: Final = {RoomEventType.TRACK_ENABLED: True, RoomEventType.TRACK_DISABLED: False}


@dataclass(frozen=True, slots=True)
class SequenceNumbers:
    """The sequence numbers of a room's events.

    `missing` are the numbers between the lowest and the highest one seen that no event
    had: at most MISSING_NUMBERS_LIMIT, the highest ones.
    """

    lowest: int | None = None
    highest: int | None = None
    missing: frozenset[int] = frozenset()

    def after(self, number: int | None) -> "SequenceNumbers":
        """Returns the numbers including this one. None, of an event without a number,
        changes nothing."""
        if number is None:
            return self
        if self.lowest is None or self.highest is None:
            return replace(self, lowest=number, highest=number)
        if number == self.highest + 1:
            return replace(self, highest=number)
        skipped = {
            *range(self.highest + 1, number)[-MISSING_NUMBERS_LIMIT:],
            *range(number + 1, self.lowest)[-MISSING_NUMBERS_LIMIT:],
        }
        missing = (self.missing | skipped) - {number}
        return SequenceNumbers(
            lowest=min(self.lowest, number),
            highest=max(self.highest, number),
            missing=frozenset(sorted(missing)[-MISSING_NUMBERS_LIMIT:]),
        )


@dataclass(frozen=True, slots=True)
class TrackHistory:
    """What the log says about one published track.

    `is_enabled` is None until an event says so. `last_switch` is the time and the log
    number of the newest event that enabled or disabled the track. `last_n` is the log
    number of its newest event of any kind.
    """

    kind: TrackKind | None = None
    name: str | None = None
    is_added: bool = False
    is_removed: bool = False
    is_enabled: bool | None = None
    last_switch: tuple[datetime, int] | None = None
    last_n: int = 0

    def after(self, event: RoomEvent, n: int) -> "TrackHistory":
        """Returns the history including `event`, which has the log number `n`."""
        history = replace(
            self,
            kind=event.track_kind or self.kind,
            name=event.track_name or self.name,
            last_n=max(self.last_n, n),
        )
        if event.type is RoomEventType.TRACK_ADDED:
            return replace(history, is_added=True)
        if event.type is RoomEventType.TRACK_REMOVED:
            return replace(history, is_removed=True)
        is_newest = self.last_switch is None or self.last_switch <= (event.event_time, n)
        if event.type in SWITCHES and is_newest:
            return replace(
                history, is_enabled=SWITCHES[event.type], last_switch=(event.event_time, n)
            )
        return history


@dataclass(frozen=True, slots=True)
class StayHistory:
    """What the log says about one participant SID.

    `has_joined` means that the log has its participant-connected. A participant that
    left does not return: Twilio gives a new SID to the next stay. `last_n` is the log
    number of its newest event.
    """

    has_joined: bool = False
    has_left: bool = False
    identity: str | None = None
    tracks: Mapping[str, TrackHistory] = field(default_factory=lambda: MappingProxyType({}))
    last_n: int = 0

    def after(self, event: RoomEvent, n: int) -> "StayHistory":
        """Returns the history including `event`, which has the log number `n`."""
        history = replace(
            self,
            identity=event.participant_identity or self.identity,
            last_n=max(self.last_n, n),
        )
        if event.type is RoomEventType.PARTICIPANT_CONNECTED:
            return replace(history, has_joined=True)
        if event.type is RoomEventType.PARTICIPANT_DISCONNECTED:
            return replace(history, has_left=True)
        if event.track_sid is None:
            return history
        track = self.tracks.get(event.track_sid, TrackHistory()).after(event, n)
        return replace(history, tracks={**self.tracks, event.track_sid: track})


@dataclass(frozen=True, slots=True)
class RoomHistory:
    """What the log says about one room.

    `is_end_logged` means that the log has its room-ended. `has_ended` is also true when
    the log has our own mutation that ended the room; its room-ended may still be
    missing. `first_n`, `last_n` and `begun_n` are the log numbers of the room's oldest
    and newest event, and of its beginning (see `beginning_n`), or 0 without any such
    event. `count` is how many events the history includes; repeats count.
    """

    sid: RoomSid
    account_sid: AccountSid
    name: str | None = None
    type: RoomType | None = None
    is_created: bool = False
    has_ended: bool = False
    is_end_logged: bool = False
    stays: Mapping[str, StayHistory] = field(default_factory=lambda: MappingProxyType({}))
    numbers: SequenceNumbers = SequenceNumbers()
    begun_n: int = 0
    count: int = field(default=0, compare=False)
    first_n: int = 0
    last_n: int = 0

    @property
    def present(self) -> tuple[str, ...]:
        """The SIDs of the participants that have not left, as far as the log says."""
        return tuple(sid for sid, stay in self.stays.items() if not stay.has_left)

    @property
    def lacks_joins(self) -> bool:
        """Whether participants have left whose participant-connected was lost. If the
        log does not have the room's beginning, it may have dropped them because of
        their age."""
        return self.is_created and any(
            stay.has_left and not stay.has_joined for stay in self.stays.values()
        )

    @property
    def missing_numbers(self) -> frozenset[int]:
        """The sequence numbers that no event had, as SequenceNumbers defines them."""
        return self.numbers.missing

    def after(self, event: RoomEvent, n: int) -> "RoomHistory":
        """Returns the history including `event`, which has the log number `n`."""
        history = replace(
            self,
            numbers=self.numbers.after(sequence_number_of(event)),
            name=event.room_name or self.name,
            type=event.room_type or self.type,
            count=self.count + 1,
            first_n=min(self.first_n or n, n),
            last_n=max(self.last_n, n),
        )
        if end_of(event) is not None:
            is_room_ended = event.type is RoomEventType.ROOM_ENDED
            return replace(
                history, has_ended=True, is_end_logged=self.is_end_logged or is_room_ended
            )
        if event.late:
            return history
        if event.type is RoomEventType.ROOM_CREATED:
            begun_n = max(self.begun_n, beginning_n(event, n))
            return replace(history, is_created=True, begun_n=begun_n)
        if event.participant_sid is None or event.recording_sid is not None:
            return history
        stay = self.stays.get(event.participant_sid, StayHistory()).after(event, n)
        return replace(history, stays={**self.stays, event.participant_sid: stay})


def beginning_n(event: RoomEvent, n: int) -> int:
    """Returns the log number of a room's beginning, or 0 if the event is none.

    A beginning proves that the room reports to this gateway: every later event of the
    room has a callback of its own. The reconciler's room-created is none, because such
    a room may have sent no callback at all.

    An epoch of the log begins at a number that is its time in microseconds. What
    happened before may be lost. So a room that was created before it was logged counts
    by the time of its creation, which Twilio cuts off to seconds.
    """
    is_beginning = (
        event.type is RoomEventType.ROOM_CREATED
        and event.source is not RoomEventSource.RECONCILED
        and not event.late
    )
    if not is_beginning:
        return 0
    return min(n, int((event.event_time.timestamp() + 1) * 1_000_000))


def sequence_number_of(event: RoomEvent) -> int | None:
    """Returns the sequence number of the event.

    Our own create has the number of Twilio's room-created, which the log does not have
    a second time. It is the first one: otherwise the loss of the callbacks that follow
    would leave no hole.
    """
    is_own_create = (
        event.type is RoomEventType.ROOM_CREATED and event.source is RoomEventSource.MUTATION
    )
    return 0 if is_own_create else event.sequence_number


def room_from_events(events: Iterable[RoomEvent], status_callback: str) -> Room | None:
    """Returns the room that its events describe, or None if no event gives its type.

    Twilio's newest response to one of our own changes is complete. Callbacks do not
    give limits and timeouts: a room that is known from callbacks alone gets the values
    that Twilio gives to a room created without them.
    """
    room: Room | None = None
    ended: Ended | None = None
    for event in events:
        ended = ended or end_of(event)
        if event.room is not None:
            room = event.room
        elif (
            room is None
            and event.room_type is not None
            and event.source is RoomEventSource.CALLBACK
        ):
            room = Room(
                sid=event.room_sid,
                account_sid=event.account_sid,
                status=RoomStatus.IN_PROGRESS,
                type=event.room_type,
                unique_name=event.room_name,
                create_time=event.event_time if event.type is RoomEventType.ROOM_CREATED else None,
                status_callback=status_callback,
                status_callback_method=HttpMethod.POST,
                # https://www.twilio.com/docs/video/api/rooms-resource
                max_participants=MAX_PARTICIPANTS.get(
                    event.room_type, MAX_PARTICIPANTS[RoomType.GROUP]
                ),
                max_participant_duration=14_400,
                empty_room_timeout=5,
                unused_room_timeout=5,
            )
    return None if room is None else merge_end(room, ended)
