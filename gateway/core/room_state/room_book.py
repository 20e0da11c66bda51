"""What the reconciler knows of rooms, and which checks are due.

Does no I/O. `now` is the time in seconds of any clock that only goes forward. Checks
are values; the caller runs them against Twilio's REST API and reports what they found.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from gateway.core.events import RoomEvent, RoomEventType
from gateway.core.limits.due_queue import DuePriority, DueQueue
from gateway.core.lru import LruCache
from gateway.core.room_state.history import RoomHistory, SequenceNumbers, StayHistory
from gateway.core.room_state.reconcile import (
    NO_DIFFERENCE,
    REST_LAG,
    Difference,
    Observation,
    absent_tracks,
    compare,
)
from gateway.core.rooms import AccountSid, RoomSid

# A snapshot is made after so many events of a room, and when the last one is so old.
# Presence reads at most 200 events of a room (STORY_LENGTH), and snapshots expire after
# 25 hours.
SNAPSHOT_EVENTS: Final = 150
SNAPSHOT_S: Final = 12 * 3600.0
# Where checks of participants use up the quota, a snapshot is made all the same when it
# has waited so long. It then takes a fourteenth of the quota.
SNAPSHOT_WAIT_S: Final = 5.0

# So many rooms that ended are remembered. Without them, REST's lag or a late event
# would make such a room look new.
ENDED_LIMIT: Final = 50_000


@dataclass(frozen=True, slots=True)
class CheckIntervals:
    """How often each check runs, in seconds, if the read quota allows it."""

    room_list_s: float = 5.0
    """Between two lists of the rooms in progress, for each page of the list."""
    participants_s: float = 12.0
    """Between two checks of a room's participants. The 15 s of P7 less the time that it
    takes to log what was found."""
    tracks_s: float = 30.0
    """Between two checks of a participant's tracks."""
    hole_s: float = 2.0
    """How long a sequence number may be missing before the room is checked: callbacks
    overtake each other."""
    rest_lag: timedelta = REST_LAG
    """A change younger than this is compared again later."""


class CheckKind(Enum):
    ROOM_LIST = "room-list"
    """The next page of the list of rooms in progress."""
    ROOM = "room"
    """One room by its SID."""
    PARTICIPANTS = "participants"
    """The participants that are in a room."""
    DEPARTURES = "departures"
    """The participants that left a room."""
    TRACKS = "tracks"
    """The tracks that one participant publishes."""
    SNAPSHOT = "snapshot"
    """Everybody in a room with their tracks, for readers of the log that cannot know
    them from its events."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of the log with Twilio's REST API.

    `is_thorough`: when it is done, also check everything below it. A thorough check of
    a room leads to one of its participants, and that to departures and tracks.
    """

    kind: CheckKind
    room: RoomSid
    participant: str = ""
    is_thorough: bool = False


ROOM_LIST: Final = Check(CheckKind.ROOM_LIST, RoomSid(""))


@dataclass(slots=True)
class _Listing:
    """The pages of one list of rooms in progress, as far as they were read."""

    as_of_n: int
    next_query: str | None = None
    pages: int = 0
    rooms: set[RoomSid] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The newest snapshot of a room: when it was made, after how many of the room's
    events, and which sequence numbers were missing."""

    at: float
    count: int
    missing_numbers: frozenset[int]


@dataclass(frozen=True, slots=True)
class _DueSnapshot:
    """A snapshot that a room needs: from when on it may be made, and which sequence
    numbers were missing when that was found."""

    at: float
    missing_numbers: frozenset[int]


class RoomBook:
    """What one leader knows of an account's rooms from the log and from REST."""

    def __init__(self, account_sid: AccountSid, intervals: CheckIntervals) -> None:
        self._account_sid = account_sid
        self._intervals = intervals
        self._settled_s = intervals.rest_lag.total_seconds()
        self._is_started = False
        self._base_n = 0
        self._snapshots_from = 0.0
        self._snapshots: dict[RoomSid, _Snapshot] = {}
        self._due_snapshots: dict[RoomSid, _DueSnapshot] = {}
        # One at a time, because each needs many requests.
        self._next_snapshot: RoomSid | None = None
        self._rooms: dict[RoomSid, RoomHistory] = {}
        self._ended = LruCache[RoomSid, None](max_entries=ENDED_LIMIT)
        self._checks = DueQueue[Check]()
        self._holes = DueQueue[RoomSid]()
        # The missing sequence numbers that led to a thorough check. If they are still
        # missing after it, REST does not show what had them.
        self._checked_numbers: dict[RoomSid, frozenset[int]] = {}
        # By room and participant: the tracks that REST did not show, and since when.
        self._absent_tracks: dict[RoomSid, dict[str, dict[str, datetime]]] = {}
        self._recent: deque[tuple[float, RoomSid, Observation]] = deque()
        self._listing: _Listing | None = None

    def __contains__(self, sid: RoomSid) -> bool:
        return sid in self._rooms

    def history(self, sid: RoomSid) -> RoomHistory | None:
        return self._rooms.get(sid)

    def is_in_progress(self, sid: RoomSid) -> bool:
        """Whether the room is known, and the log does not have its room-ended."""
        history = self._rooms.get(sid)
        return history is not None and not history.is_end_logged

    def has_ended(self, sid: RoomSid) -> bool:
        """Whether the room ended and nothing is left to find out about it."""
        return sid in self._ended

    def start(self, now: float, base_n: int = 0) -> None:
        """Schedules the first checks. Call it when the whole log has been read.

        `base_n` is the log number at which the log's epoch begins: events before it may
        be lost.
        Every room that the log does not have as ended counts as in progress until REST
        shows otherwise.
        """
        self._is_started = True
        self._base_n = base_n
        self._snapshots_from = now + self._settled_s
        self._schedule(ROOM_LIST, now, DuePriority.URGENT)
        for sid, history in self._rooms.items():
            if history.missing_numbers or history.lacks_joins:
                self._check_thoroughly(sid, now)
            else:
                self._schedule(Check(CheckKind.PARTICIPANTS, sid), now, DuePriority.ROUND)

    def add_event(self, event: RoomEvent, n: int, now: float) -> None:
        """Notes an event that the log has under the number `n`.

        Repeats are harmless.
        """
        sid = event.room_sid
        known = self._rooms.get(sid)
        if known is None and (event.recording_sid is not None or sid in self._ended):
            return
        before = known or RoomHistory(sid, self._account_sid)
        self._put(before.after(event, n), now, was_end_logged=before.is_end_logged)
        is_unjoined = (
            event.type is RoomEventType.PARTICIPANT_DISCONNECTED
            and sid in self._rooms
            and self._rooms[sid].lacks_joins
        )
        if self._is_started and is_unjoined:
            # Only REST's list of those who left still has the time of the join.
            check = Check(CheckKind.DEPARTURES, sid)
            self._schedule(check, now + self._intervals.hole_s, DuePriority.URGENT)
        if self._is_started and self._new_missing_numbers(sid):
            self._holes.add(sid, now + self._intervals.hole_s, DuePriority.URGENT)

    def add_repair(self, event: RoomEvent, n: int, now: float) -> None:
        """Notes an event of a Difference that was logged as `n`."""
        self.add_event(event, n, now)
        if event.type is RoomEventType.PARTICIPANT_CONNECTED and event.participant_sid is not None:
            check = Check(CheckKind.TRACKS, event.room_sid, event.participant_sid)
            self._schedule(check, now, DuePriority.ROUND)

    def add_room(self, history: RoomHistory, now: float) -> None:
        """Takes up a room that REST shows, or that another replica wants checked.

        `history` is what the room's own log says: it can have events that the account's
        log dropped. A room that is known keeps its history.
        """
        if history.sid not in self._rooms:
            self._put(history, now, was_end_logged=False)
            check = Check(CheckKind.PARTICIPANTS, history.sid)
            self._schedule(check, now, DuePriority.URGENT)

    def recheck(self, sid: RoomSid, now: float) -> None:
        """Checks the room and everything in it as soon as possible."""
        self._ended.pop(sid)
        check = Check(CheckKind.ROOM, sid, is_thorough=True)
        self._schedule(check, now, DuePriority.URGENT)

    def forget(self, sid: RoomSid) -> None:
        """Drops a room that neither the log nor REST shows.

        A later event brings it back.
        """
        self._rooms.pop(sid, None)
        self._checked_numbers.pop(sid, None)
        self._absent_tracks.pop(sid, None)
        self._snapshots.pop(sid, None)
        self._drop_snapshot(sid)
        self._holes.drop(sid)
        for is_thorough in (False, True):
            self._checks.drop(Check(CheckKind.PARTICIPANTS, sid, is_thorough=is_thorough))

    def take_check(self, now: float) -> Check | None:
        """Removes the next due check and returns it, or None.

        A check of a room's participants schedules the next one.
        """
        while (sid := self._holes.take(now)) is not None:
            if self._new_missing_numbers(sid):
                self._check_thoroughly(sid, now)
        while (check := self._checks.take(now)) is not None:
            if self._is_current(check):
                self._begin(check, now)
                return check
            if check.kind is CheckKind.SNAPSHOT:
                self._drop_snapshot(check.room)
        return None

    def next_check_at(self) -> float:
        """Returns when the next check is due; infinity if there is none."""
        return min(self._checks.next_at(), self._holes.next_at())

    def compare(self, sid: RoomSid, observation: Observation, now: float) -> Difference:
        """Returns what the log lacks of the observation.

        Changes too young to be judged are kept for `compare_again`.
        """
        history = self._rooms.get(sid)
        if history is None:
            return NO_DIFFERENCE
        difference = self._compare(history, observation, now)
        for participant, tracks in observation.tracks.items():
            absent = absent_tracks(history.stays.get(participant, StayHistory()), tracks)
            since = {
                **dict.fromkeys(difference.missing, observation.at),
                **observation.absent_since,
            }
            self._absent_tracks.setdefault(sid, {})[participant] = {
                track: since[track] for track in absent if track in since
            }
        return difference

    def compare_again(self, at: datetime, now: float) -> list[Difference]:
        """Compares observations again whose changes were too young before.

        `at` is the current time. A callback for those changes would have arrived by
        now.
        """
        due = []
        while self._recent and self._recent[0][0] <= now:
            due.append(self._recent.popleft())
        # What is missing is another question, which needs a new response.
        return [
            self._compare(history, replace(observation, at=at, has_all_present=False), now)
            for _, sid, observation in due
            if (history := self._rooms.get(sid)) is not None
        ]

    def tracks_absent_since(self, sid: RoomSid, participant: str) -> Mapping[str, datetime]:
        """Returns the tracks that the participant's last check did not find.

        The values are the times of the first request that did not show them.
        """
        return self._absent_tracks.get(sid, {}).get(participant, {})

    def snapshot_numbers(self, sid: RoomSid) -> SequenceNumbers | None:
        """Returns the room's sequence numbers for a snapshot that is made now; None if
        it must not be made.

        A number that is missing since less than REST can lag may belong to an event
        that the snapshot does not show.
        """
        history, due = self._rooms.get(sid), self._due_snapshots.get(sid)
        if history is None or due is None or history.missing_numbers - due.missing_numbers:
            return None
        return history.numbers

    def add_snapshot(self, sid: RoomSid, numbers: SequenceNumbers, now: float) -> None:
        """Notes a snapshot that was stored. `numbers` are from `snapshot_numbers`."""
        history = self._rooms.get(sid)
        if history is not None:
            self._snapshots[sid] = _Snapshot(now, history.count, numbers.missing)

    @property
    def list_query(self) -> str | None:
        """The query of the next page of the list of rooms; None for the first page."""
        return None if self._listing is None else self._listing.next_query

    def add_page(self, rooms: Iterable[RoomSid], next_query: str | None, as_of_n: int) -> None:
        """Notes one page of the list of rooms in progress."""
        if self._listing is None:
            self._listing = _Listing(as_of_n)
        self._listing.rooms |= set(rooms)
        self._listing.next_query = next_query
        self._listing.pages += 1

    def finish(self, check: Check, difference: Difference, now: float) -> None:
        """Schedules what follows from a check whose difference has been logged."""
        match check.kind:
            case CheckKind.ROOM_LIST:
                self._finish_page(now)
            case CheckKind.ROOM:
                if check.is_thorough:
                    self._check_thoroughly(check.room, now)
            case CheckKind.PARTICIPANTS:
                if self.is_in_progress(check.room):
                    self._finish_participants(check, difference, now)
            case CheckKind.DEPARTURES:
                if check.room in self._rooms and not self.is_in_progress(check.room):
                    self._finish_departures(check, difference, now)
            case CheckKind.TRACKS:
                if difference.missing:
                    self._schedule(check, now + self._settled_s, DuePriority.ROUND)
            case CheckKind.SNAPSHOT:
                self._drop_snapshot(check.room)
                self._start_snapshot(now)

    def retry(self, check: Check, at: float) -> None:
        """Runs a check that failed again.

        The list of rooms is then read from its start.
        """
        if check.kind is CheckKind.ROOM_LIST:
            self._listing = None
        self._schedule(check, at, DuePriority.ROUND)

    def not_found(self, check: Check, now: float) -> None:
        """Notes that Twilio knows nothing of what the check asked for.

        REST may not show it yet: the next round asks again. A room that ended is done.
        """
        history = self._rooms.get(check.room)
        if history is None:
            return
        if check.kind is CheckKind.SNAPSHOT:
            self._drop_snapshot(check.room)
        elif history.is_end_logged:
            self._end(check.room)
        elif check.kind is CheckKind.PARTICIPANTS:
            self._schedule(check, now + self._intervals.participants_s, DuePriority.ROUND)

    def _compare(self, history: RoomHistory, observation: Observation, now: float) -> Difference:
        difference = compare(history, observation, self._intervals.rest_lag)
        if difference.has_recent:
            self._recent.append((now + self._settled_s, history.sid, observation))
        return difference

    def _put(self, history: RoomHistory, now: float, *, was_end_logged: bool) -> None:
        """Keeps the room while there is something left to find out about it."""
        sid = history.sid
        if history.is_end_logged and not history.present and not history.lacks_joins:
            self._end(sid)
            return
        if sid not in self._rooms:
            at = now + self._intervals.participants_s
            self._schedule(Check(CheckKind.PARTICIPANTS, sid), at, DuePriority.ROUND)
        self._rooms[sid] = history
        if history.is_end_logged and not was_end_logged:
            # The participants that the log has as present have left. Their callbacks
            # get some time to arrive. A log that was just read can have many such
            # rooms.
            self._schedule(
                Check(CheckKind.DEPARTURES, sid),
                now + self._settled_s + 1,
                DuePriority.ROUND if self._is_started else DuePriority.SPARE,
            )

    def _end(self, sid: RoomSid) -> None:
        self.forget(sid)
        self._ended.put(sid, None)

    def _schedule(self, check: Check, at: float, priority: DuePriority) -> None:
        self._checks.add(check, at, priority)

    def _check_thoroughly(self, sid: RoomSid, now: float) -> None:
        check = Check(CheckKind.PARTICIPANTS, sid, is_thorough=True)
        self._schedule(check, now, DuePriority.URGENT)

    def _new_missing_numbers(self, sid: RoomSid) -> frozenset[int]:
        history = self._rooms.get(sid)
        if history is None:
            return frozenset()
        return history.missing_numbers - self._checked_numbers.get(sid, frozenset())

    def _is_current(self, check: Check) -> bool:
        match check.kind:
            case CheckKind.ROOM_LIST | CheckKind.ROOM:
                return True
            case CheckKind.DEPARTURES:
                return check.room in self._rooms
            case CheckKind.PARTICIPANTS | CheckKind.TRACKS | CheckKind.SNAPSHOT:
                return self.is_in_progress(check.room)

    def _begin(self, check: Check, now: float) -> None:
        if check.kind is not CheckKind.PARTICIPANTS:
            return
        routine = replace(check, is_thorough=False)
        self._checks.drop(routine)
        self._schedule(routine, now + self._intervals.participants_s, DuePriority.ROUND)
        if check.is_thorough:
            self._checked_numbers[check.room] = self._rooms[check.room].missing_numbers

    def _finish_page(self, now: float) -> None:
        listing = self._listing
        if listing is None:
            return
        if listing.next_query is not None:
            self._schedule(ROOM_LIST, now, DuePriority.URGENT)
            return
        self._listing = None
        for history in list(self._rooms.values()):
            if history.sid in listing.rooms or history.is_end_logged:
                continue
            if not history.last_n:
                self.forget(history.sid)
            elif history.first_n <= listing.as_of_n:
                self._schedule(Check(CheckKind.ROOM, history.sid), now, DuePriority.URGENT)
        next_at = now + self._intervals.room_list_s * listing.pages
        self._schedule(ROOM_LIST, next_at, DuePriority.URGENT)

    def _finish_participants(self, check: Check, difference: Difference, now: float) -> None:
        if difference.missing or check.is_thorough:
            departures = Check(CheckKind.DEPARTURES, check.room)
            self._schedule(departures, now, DuePriority.URGENT)
        self._schedule_snapshot(check.room, now)
        for participant in difference.present:
            tracks = Check(CheckKind.TRACKS, check.room, participant)
            if check.is_thorough:
                self._schedule(tracks, now, DuePriority.ROUND)
            else:
                self._schedule(tracks, now + self._intervals.tracks_s, DuePriority.SPARE)

    def _schedule_snapshot(self, sid: RoomSid, now: float) -> None:
        history = self._rooms[sid]
        if sid not in self._due_snapshots and self._needs_snapshot(history, now):
            settled_at = now + (self._settled_s if history.missing_numbers else 0)
            at = max(settled_at, self._snapshots_from)
            self._due_snapshots[sid] = _DueSnapshot(at, history.missing_numbers)
        self._start_snapshot(now)

    def _start_snapshot(self, now: float) -> None:
        if self._next_snapshot is not None or not self._due_snapshots:
            return
        sid, due = min(self._due_snapshots.items(), key=lambda item: item[1].at)
        self._next_snapshot = sid
        check, at = Check(CheckKind.SNAPSHOT, sid), max(now, due.at)
        self._schedule(check, at, DuePriority.SPARE)
        self._schedule(check, at + SNAPSHOT_WAIT_S, DuePriority.ROUND)

    def _drop_snapshot(self, sid: RoomSid) -> None:
        self._due_snapshots.pop(sid, None)
        if self._next_snapshot == sid:
            self._next_snapshot = None
            self._checks.drop(Check(CheckKind.SNAPSHOT, sid))

    def _needs_snapshot(self, history: RoomHistory, now: float) -> bool:
        """Whether the log's events alone do not tell who is in the room."""
        last = self._snapshots.get(history.sid)
        if last is None:
            is_begun = history.begun_n > self._base_n
            return not is_begun or bool(history.missing_numbers) or history.count > SNAPSHOT_EVENTS
        return (
            bool(history.missing_numbers - last.missing_numbers)
            or history.count - last.count > SNAPSHOT_EVENTS
            or now - last.at > SNAPSHOT_S
        )

    def _finish_departures(self, check: Check, difference: Difference, now: float) -> None:
        if difference.has_recent:
            self._schedule(check, now + self._settled_s, DuePriority.ROUND)
        else:
            self._end(check.room)
