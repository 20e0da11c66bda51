"""The rooms of one account, in their present and their recent states. Does no I/O."""

from collections import deque
from collections.abc import Iterable, Iterator

from gateway.sandbox.world.model import Room

# How long past states are kept: the maximum of `rest_lag_ms`.
MAX_LAG_S = 30.0


class RoomStore:
    """Rooms are immutable, so the history of a room is a list of its former values.

    The store keeps `MAX_LAG_S` of history and at most `max_ended` ended rooms. Beyond
    that, it evicts the rooms that ended first. Twilio does not document how long it
    keeps ended rooms, and a sandbox that runs for weeks must not grow.
    """

    def __init__(self, max_ended: int) -> None:
        self._max_ended = max_ended
        self._live: dict[str, Room] = {}
        self._ended: dict[str, Room] = {}
        self._sids_by_name: dict[str, str] = {}
        self._history: dict[str, deque[tuple[float, Room]]] = {}
        self._changes: deque[tuple[float, str]] = deque()
        self._last_ordinal = 0

    def next_ordinal(self) -> int:
        self._last_ordinal += 1
        return self._last_ordinal

    @property
    def live_count(self) -> int:
        return len(self._live)

    def live(self) -> Iterable[Room]:
        return self._live.values()

    def put(self, room: Room, clock_s: float) -> None:
        """Stores the state that a room has from `clock_s` on."""
        self._record(room, clock_s)
        if room.is_in_progress:
            self._live[room.sid] = room
            self._sids_by_name[room.name] = room.sid
        elif self._live.pop(room.sid, None):
            self._sids_by_name.pop(room.name, None)
            self._ended[room.sid] = room
            if len(self._ended) > self._max_ended:
                oldest = next(iter(self._ended))
                del self._ended[oldest], self._history[oldest]
        elif room.sid in self._ended:
            self._ended[room.sid] = room

    def by_sid(self, sid: str, as_of_s: float | None = None) -> Room | None:
        room = self._live.get(sid) or self._ended.get(sid)
        return room if as_of_s is None or room is None else self._as_of(room, as_of_s)

    def by_name(self, name: str, as_of_s: float | None = None) -> Room | None:
        """Finds a room in progress. An ended room has no name to be found by."""
        if as_of_s is None:
            sid = self._sids_by_name.get(name)
            return self._live[sid] if sid else None
        return next((room for room in self.newest_first(True, as_of_s) if room.name == name), None)

    def newest_first(self, in_progress: bool, as_of_s: float | None = None) -> Iterator[Room]:
        """Yields the rooms in progress, or the ended ones."""
        if as_of_s is None and in_progress:
            yield from reversed(self._live.values())
            return
        rooms: Iterable[Room] = self._ended.values()
        if as_of_s is not None:
            present = [*self._live.values(), *self._ended.values()]
            past = (self._as_of(room, as_of_s) for room in present)
            rooms = [room for room in past if room and room.is_in_progress == in_progress]
        yield from sorted(rooms, key=lambda room: -room.ordinal)

    def all_rooms(self, as_of_s: float | None = None) -> Iterator[Room]:
        yield from self.newest_first(True, as_of_s)
        yield from self.newest_first(False, as_of_s)

    def _as_of(self, room: Room, as_of_s: float) -> Room | None:
        """Returns the state at that time, or None before the room was created."""
        history = reversed(self._history[room.sid])
        return next((state for since_s, state in history if since_s <= as_of_s), None)

    def _record(self, room: Room, clock_s: float) -> None:
        self._history.setdefault(room.sid, deque()).append((clock_s, room))
        self._changes.append((clock_s, room.sid))
        oldest_s = clock_s - MAX_LAG_S
        while self._changes[0][0] <= oldest_s:
            history = self._history.get(self._changes.popleft()[1])
            # The last state before `oldest_s` is the state of the room at `oldest_s`.
            while history and len(history) > 1 and history[1][0] <= oldest_s:
                history.popleft()
