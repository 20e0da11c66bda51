"""The newest events of an account's rooms, as this process has read them. Does no
I/O."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.caching import SETTLING_S, Fence, fences_of
from gateway.core.events import RoomChangeKind, RoomEvent, RoomEventSource, RoomEventType, end_of
from gateway.core.lru import LruCache
from gateway.core.rooms import Ended, RoomSid
from gateway.service.log.presence_memory import PresenceMemory
from gateway.service.log.timings import LogTimings

ACCOUNT = ""
"""The key of the account itself, beside those of rooms and recordings, their SIDs."""


@dataclass(frozen=True, slots=True)
class EventMark:
    """An event's number, and when this process read it (monotonic clock, in
    seconds)."""

    n: int
    read_at: float


NEVER = EventMark(0, float("-inf"))


class EventMarks:
    """The newest event for each of the keys that were used last.

    Every other key has the newest mark that was evicted, or `floor`.
    """

    def __init__(self, limit: int, floor: EventMark = NEVER) -> None:
        self._marks = LruCache[str, EventMark](max_entries=limit)
        self._floor = floor

    def add(self, key: str, mark: EventMark) -> None:
        newest = max(mark, self._marks.peek(key) or NEVER, key=lambda mark: mark.n)
        for _, evicted in self._marks.put(key, newest):
            self._floor = max(self._floor, evicted, key=lambda mark: mark.n)

    def newest(self, key: str) -> EventMark:
        return self._marks.peek(key) or self._floor

    def __contains__(self, key: str) -> bool:
        return key in self._marks


class RoomMemory:
    """The newest event for each fence of each room, and the ends and names of rooms.

    A value that was fetched before the newest event of its fence is outdated.
    """

    def __init__(self, timings: LogTimings = LogTimings()) -> None:
        self._timings = timings
        self._by_fence = self._marks_by_fence(NEVER)
        self._names = EventMarks(timings.marks)
        self._reporting = EventMarks(timings.marks)
        # Kept when the log is lost: a room that has ended stays ended.
        self._ends = LruCache[RoomSid, Ended](max_entries=timings.marks)
        self._caught_up_at = float("-inf")
        self._head_n = 0
        self.presence = PresenceMemory(timings)
        """Who is in the rooms that were asked for last."""
        self.generation = 0
        """Changes when values that were fetched before must not be compared with the
        log's numbers."""

    @property
    def is_current(self) -> bool:
        """Whether the log was read to its end just now. Only then may memory answer for
        it."""
        return time.monotonic() - self._caught_up_at <= self._timings.caught_up_s

    def confirm_caught_up(self) -> None:
        """Notes that the log has just been read to its end."""
        self._caught_up_at = time.monotonic()

    def newest_n(self, key: str, fence: Fence = Fence.ROOM) -> int:
        """The number of the newest event of the fence, 0 if none is known.

        `key` is a room's SID, a recording's SID, or ACCOUNT. For ACCOUNT, the event is
        one after which a list may show something new.
        """
        return self._by_fence[fence].newest(key).n

    def may_exist(self, sid: RoomSid) -> bool:
        """Whether the log may have an event about the room: this process knows one, or
        has lost track."""
        return any(self.newest_n(sid, fence) for fence in Fence)

    def newest_name_n(self, name: str) -> int:
        """The number of the newest event that changed which room has the name."""
        return self._names.newest(name).n

    def ends(self, sids: Iterable[RoomSid]) -> dict[RoomSid, Ended]:
        """The ends that this process knows among these rooms. For when Redis, which has
        more of them, does not answer."""
        ends = ((sid, self._ends.peek(sid)) for sid in sids)
        return {sid: end for sid, end in ends if end is not None}

    def is_reporting(self, key: str) -> bool:
        """Whether a room or recording reports to this gateway: an event came by
        callback, or from our own mutation, and not only from the reconciler."""
        return key in self._reporting

    def is_settled(self, key: str, fence: Fence = Fence.ROOM) -> bool:
        """Whether the newest event is old enough for Twilio's REST API to show it."""
        return time.monotonic() - self._by_fence[fence].newest(key).read_at > SETTLING_S

    def apply(self, event: RoomEvent, n: int) -> None:
        """Takes in the log's entry n. May be called twice, and out of order."""
        self.observe_head(n)
        self.presence.apply(event)
        ended = end_of(event)
        if ended is not None:
            # The first end is final, here as in the log.
            if event.room_sid not in self._ends:
                self._ends.put(event.room_sid, ended)
        elif event.late:
            return
        mark, fences = EventMark(n, time.monotonic()), fences_of(event)
        if event.source is not RoomEventSource.RECONCILED:
            self._reporting.add(event.room_sid, mark)
            if event.recording_sid is not None:
                self._reporting.add(event.recording_sid, mark)
        for fence in fences:
            self._by_fence[fence].add(event.room_sid, mark)
        if event.recording_sid is not None:
            self._by_fence[Fence.MEDIA].add(event.recording_sid, mark)
        if event.change is RoomChangeKind.RECORDING:
            # Our own mutations only. If every callback about a recording made the
            # account's lists outdated, a busy account would read them from Twilio each
            # time.
            self._by_fence[Fence.MEDIA].add(ACCOUNT, mark)
        if Fence.ROOM not in fences:
            return
        if event.room_name is not None:
            self._names.add(event.room_name, mark)
        if event.type is not RoomEventType.ROOM_ENDED:
            self._by_fence[Fence.ROOM].add(ACCOUNT, mark)

    def observe_head(self, n: int) -> None:
        """Notes that the log has reached n. A value that is fetched from now on may be
        as new as n, although this process has not read all events up to there."""
        self._head_n = max(self._head_n, n)

    def apply_unlogged(self, event: RoomEvent) -> None:
        """Takes in an event that could not be logged.

        It makes values outdated as the next entry of the log would. A value is trusted
        again when it is fetched after that entry.
        """
        self.apply(event, self._head_n + 1)

    def invalidate_all(self, n: int) -> None:
        """Makes every value outdated that was fetched before the log's entry n, which
        cannot be read and may have changed any of them."""
        self.generation += 1
        self.presence.clear()
        mark = EventMark(n, time.monotonic())
        self._by_fence = self._marks_by_fence(mark)
        self._names = EventMarks(self._timings.marks, mark)
        self.observe_head(n)

    def reset(self, n: int) -> None:
        """Makes every value outdated that was fetched before, because the log was
        reset. The new log begins at n; events in between may be lost."""
        self.invalidate_all(n)
        self._reporting = EventMarks(self._timings.marks)
        self._caught_up_at = float("-inf")
        self._head_n = n

    def _marks_by_fence(self, floor: EventMark) -> dict[Fence, EventMarks]:
        return {fence: EventMarks(self._timings.marks, floor) for fence in Fence}
