"""What this process remembers of an account's rooms. Fed and fenced by the log's tail. Does no I/O."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.caching import SETTLING_S, Fence, fences_of
from gateway.core.events import Changed, EventSource, RoomEvent, RoomEventType, end_of
from gateway.core.lru import LruCache
from gateway.core.rooms import Ended, RoomSid, RoomStatus
from gateway.store.cache import CachedRoom

ROOMS_LIMIT = 10_000
"""As many as an account may have in progress. https://www.twilio.com/docs/video/programmable-video-limits"""
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
    """Rooms by SID. A value is refused when an event newer than its fetch has been heard, in whichever order they come."""

    def __init__(self) -> None:
        self._rooms = LruCache[RoomSid, CachedRoom](max_entries=ROOMS_LIMIT)
        self._sids: dict[str, RoomSid] = {}
        self._touched = {fence: EventMarks() for fence in Fence}
        self._names = EventMarks()
        self._reporting = EventMarks()
        # Kept when the log is lost: what has ended stays ended.
        self._ends = LruCache[RoomSid, Ended](max_entries=MARKS_LIMIT)
        self._caught_up_at = float("-inf")
        self._newest_n = 0

    @property
    def is_current(self) -> bool:
        """Whether the log has been heard lately: only then may memory answer for it."""
        return time.monotonic() - self._caught_up_at <= PROOF_S

    def confirm_caught_up(self) -> None:
        """The log has just been read to its end."""
        self._caught_up_at = time.monotonic()

    def get(self, sid: RoomSid) -> CachedRoom | None:
        return self._rooms.peek(sid)

    def named(self, name: str) -> CachedRoom | None:
        """The room that was last seen in progress under the name. It may have ended unheard, and the name be taken again."""
        value = self._rooms.peek(self._sids[name]) if name in self._sids else None
        return value if value is not None and value.room.status is RoomStatus.IN_PROGRESS else None

    def put(self, value: CachedRoom) -> CachedRoom:
        """What may be shown of the room now: the value, or what is known to be newer. What was shown never goes back."""
        room = value.room
        known = self._rooms.peek(room.sid)
        self.observe_head(value.seen_n)
        if known is not None and _age(known) > _age(value):
            return known
        if value.seen_n < self.touched(room.sid):
            return value
        evicted = self._rooms.put(room.sid, value)
        if room.unique_name is not None and room.status is RoomStatus.IN_PROGRESS:
            holder = self.named(room.unique_name)
            if holder is None or (holder.seen_n, holder.fetched_at) <= (
                value.seen_n,
                value.fetched_at,
            ):
                self._sids[room.unique_name] = room.sid
        for _, oldest in evicted:
            self._forget_name(oldest)
        return value

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
        known = self._rooms.peek(event.room_sid)
        if known is not None and known.seen_n < n:
            self._rooms.pop(event.room_sid)
            self._forget_name(known)

    def observe_head(self, n: int) -> None:
        """The log was seen to be at n: what is fetched from now on may say so, though no event up to there was heard yet."""
        self._newest_n = max(self._newest_n, n)

    def apply_unlogged(self, event: RoomEvent) -> None:
        """Takes in what the log could not be told. What it changes is believed again when it was fetched after the next
        event that the log does get."""
        self.apply(event, self._newest_n + 1)

    def invalidate_all(self, n: int) -> None:
        """Forgets the rooms, for the log's entry n cannot be read and may have changed any of them. What was fetched before
        it is refused."""
        self._rooms.clear()
        self._sids.clear()
        self._touched = {fence: EventMarks(EventMark(n, time.monotonic())) for fence in Fence}
        self._names = EventMarks(EventMark(n, time.monotonic()))
        self.observe_head(n)

    def begin_anew(self, n: int) -> None:
        """Forgets the rooms, as the log they were fenced by is gone. The new one begins at n: what was fetched before is
        refused, for it may miss an event that nobody knows any more."""
        self.invalidate_all(n)
        self._reporting = EventMarks()
        self._caught_up_at = float("-inf")
        self._newest_n = n

    def _forget_name(self, value: CachedRoom) -> None:
        name = value.room.unique_name
        if name is not None and self._sids.get(name) == value.room.sid:
            del self._sids[name]


def _age(value: CachedRoom) -> tuple[bool, float, int]:
    """What is shown of a room never goes back: it stays over once it is, and of two fetches the later one counts. Not the
    one that knew of a newer event: of other rooms' events some replicas hear sooner."""
    return value.room.status.is_final, value.fetched_at, value.seen_n
