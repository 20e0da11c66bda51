"""Who is in the rooms that were asked for last, kept current by the log. Does no
I/O."""

from gateway.core.events import RoomEvent
from gateway.core.lru import LruCache
from gateway.core.room_state.presence import PresenceState
from gateway.core.rooms import RoomSid
from gateway.service.log.timings import LogTimings


class PresenceMemory:
    """The states of the rooms that were asked for last.

    A state has all events that this process has read. A room is held only while its
    whole story is known.
    """

    def __init__(self, timings: LogTimings = LogTimings()) -> None:
        self._states = LruCache[RoomSid, PresenceState](
            max_entries=timings.presence_rooms, max_bytes=timings.presence_stays
        )

    def state(self, sid: RoomSid) -> PresenceState | None:
        """The state of the room; None if it is not held."""
        return self._states.get(sid)

    def hold(self, sid: RoomSid, state: PresenceState) -> None:
        """Holds a state that has all events of the room that this process has read."""
        self._states.put(sid, state, size=1 + state.size)

    def apply(self, event: RoomEvent) -> None:
        """Takes in an event. It may be repeated, and out of order."""
        state = self._states.peek(event.room_sid)
        if state is None:
            return
        after = state.after(event)
        if after.is_known:
            self.hold(event.room_sid, after)
        else:
            # An event before this one is missing. It may be in Redis by the next read.
            self._states.pop(event.room_sid)

    def clear(self) -> None:
        """Forgets every room, because events may have been lost."""
        for sid in list(self._states):
            self._states.pop(sid)
