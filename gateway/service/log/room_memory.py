"""What this process remembers of an account's rooms. Fed and fenced by the log's tail. Does no I/O."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.caching import SETTLING_S, Fence, fences_of
from gateway.core.events import Changed, EventSource, RoomEvent, RoomEventType, end_of
from gateway.core.lru import LruCache
from gateway.core.rooms import Ended, RoomSid

MARKS_LIMIT = 50_000
ACCOUNT = ""
"""The account itself, where a room's SID stands otherwise."""
# Older than this without an answer from the log, memory may have missed an end.
PROOF_S = 0.25


@dataclass(frozen=True, slots=True)
class EventMark:
    """The newest event that touched something, and when this process heard of it (its own monotonic clock, seconds)."""

    n: int
    heard_at: float


NEVER = EventMark(0, float("-inf"))


class EventMarks:
    """The newest event by key, for the keys touched last; for all others, the newest of those that were forgotten."""

    def __init__(self, floor: EventMark = NEVER) -> None:
        self._marks = LruCache[str, EventMark](max_entries=MARKS_LIMIT)
        self._floor = floor

    def touch(self, key: str, mark: EventMark) -> None:
        newest = max(mark, self._marks.peek(key) or NEVER, key=lambda mark: mark.n)
        for _, evicted in self._marks.put(key, newest):
            self._floor = max(self._floor, evicted, key=lambda mark: mark.n)

    def of(self, key: str) -> EventMark:
        return self._marks.peek(key) or self._floor

    def has(self, key: str) -> bool:
        return key in self._marks


class RoomMemory:
    """The newest event for each fence of each room, and the ends and names of rooms, as far as this process has received them."""

    def __init__(self) -> None:
        self._touched = {fence: EventMarks() for fence in Fence}
        self._names = EventMarks()
        self._reporting = EventMarks()
        # Kept when the log is lost: what has ended stays ended.
        self._ends = LruCache[RoomSid, Ended](max_entries=MARKS_LIMIT)
        self._caught_up_at = float("-inf")
        self._newest_n = 0
        self.generation = 0
        """Changes when values that were fetched before must not be compared with the log's numbers."""

    @property
    def is_current(self) -> bool:
        """Whether the log has been heard lately: only then may memory answer for it."""
        return time.monotonic() - self._caught_up_at <= PROOF_S

    def confirm_caught_up(self) -> None:
        """The log has just been read to its end."""
        self._caught_up_at = time.monotonic()

    def touched(self, about: str, fence: Fence = Fence.ROOM) -> int:
        """The newest event known that changes the room, or what hangs below it; part of a shared read's key. `about` is
        the room's SID, a recording's, or ACCOUNT: then it is one after which a list may show what it did not show before."""
        return self._touched[fence].of(about).n

    def ends(self, sids: Iterable[RoomSid]) -> dict[RoomSid, Ended]:
        """The ends among these rooms that this process has heard of lately: all there is when Redis cannot be asked."""
        ends = ((sid, self._ends.peek(sid)) for sid in sids)
        return {sid: end for sid, end in ends if end is not None}

    def has_heard_of(self, about: str) -> bool:
        """Whether the room reports to us, or we made it: an event is known that we did not find out by asking."""
        return self._reporting.has(about)

    def name_touched(self, name: str) -> int:
        return self._names.of(name).n

    def is_settled(self, about: str, fence: Fence = Fence.ROOM) -> bool:
        """Whether the last change is long enough ago for Twilio's REST to show it."""
        return time.monotonic() - self._touched[fence].of(about).heard_at > SETTLING_S

    def apply(self, event: RoomEvent, n: int) -> None:
        """Takes the log's entry n in. Harmless when it comes twice, or after a newer one."""
        self.observe_head(n)
        ended = end_of(event)
        if ended is not None:
            # The first end is final, here as in the log.
            if event.room_sid not in self._ends:
                self._ends.put(event.room_sid, ended)
        elif event.late:
            return
        mark, fences = EventMark(n, time.monotonic()), fences_of(event)
        if event.source is not EventSource.RECONCILED:
            self._reporting.touch(event.room_sid, mark)
            if event.recording_sid is not None:
                self._reporting.touch(event.recording_sid, mark)
        for fence in fences:
            self._touched[fence].touch(event.room_sid, mark)
        if event.recording_sid is not None:
            self._touched[Fence.MEDIA].touch(event.recording_sid, mark)
        if event.changed is Changed.RECORDING:
            # Only what we did ourselves: were the account's lists made old by every callback of a recording, a busy account
            # would read them from Twilio each time.
            self._touched[Fence.MEDIA].touch(ACCOUNT, mark)
        if Fence.ROOM not in fences:
            return
        if event.room_name is not None:
            self._names.touch(event.room_name, mark)
        if event.type is not RoomEventType.ROOM_ENDED:
            self._touched[Fence.ROOM].touch(ACCOUNT, mark)

    def observe_head(self, n: int) -> None:
        """The log was seen to be at n: what is fetched from now on may say so, though no event up to there was heard yet."""
        self._newest_n = max(self._newest_n, n)

    def apply_unlogged(self, event: RoomEvent) -> None:
        """Takes in what the log could not be told. What it changes is believed again when it was fetched after the next
        event that the log does get."""
        self.apply(event, self._newest_n + 1)

    def invalidate_all(self, n: int) -> None:
        """Makes every value that was fetched before the log's entry n outdated: the entry cannot be read and may have changed
        any of them."""
        self.generation += 1
        self._touched = {fence: EventMarks(EventMark(n, time.monotonic())) for fence in Fence}
        self._names = EventMarks(EventMark(n, time.monotonic()))
        self.observe_head(n)

    def begin_anew(self, n: int) -> None:
        """Makes every value that was fetched before outdated, as the log that fenced them is gone. The new log begins at n;
        events between may be lost."""
        self.invalidate_all(n)
        self._reporting = EventMarks()
        self._caught_up_at = float("-inf")
        self._newest_n = n
