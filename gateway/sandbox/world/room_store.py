"""The rooms of one account, now and a little while ago. Does no I/O."""

from collections import deque
from collections.abc import Iterable, Iterator

from gateway.sandbox.world.model import Room

# How far back an answer can lie: what `rest_lag_ms` may ask for at most.
MAX_LAG_S = 30.0


class RoomStore:
    """Rooms are values, so the past is kept by keeping the old ones: `MAX_LAG_S` of it per room.

    Ended rooms beyond `keep_ended` are forgotten, first those that ended first; how long Twilio keeps them is not
    documented, and a sandbox that runs for weeks must not grow.
    """

    def __init__(self, keep_ended: int) -> None:
        self._keep_ended = keep_ended
        self._live: dict[str, Room] = {}
        self._ended: dict[str, Room] = {}
        self._names: dict[str, str] = {}
        self._past: dict[str, deque[tuple[float, Room]]] = {}
        self._changes: deque[tuple[float, str]] = deque()
        self._made = 0

    def next_ordinal(self) -> int:
        self._made += 1
        return self._made

    @property
    def live_count(self) -> int:
        return len(self._live)

    def live(self) -> Iterable[Room]:
        return self._live.values()

    def put(self, room: Room, clock_s: float) -> None:
        self._remember(room, clock_s)
        if room.is_in_progress:
            self._live[room.sid] = room
            self._names[room.name] = room.sid
        elif self._live.pop(room.sid, None):
            self._names.pop(room.name, None)
            self._ended[room.sid] = room
            if len(self._ended) > self._keep_ended:
                oldest = next(iter(self._ended))
                del self._ended[oldest], self._past[oldest]
        elif room.sid in self._ended:
            self._ended[room.sid] = room

    def by_sid(self, sid: str, as_of_s: float | None = None) -> Room | None:
        room = self._live.get(sid) or self._ended.get(sid)
        return room if as_of_s is None or room is None else self._as_of(room, as_of_s)

    def by_name(self, name: str, as_of_s: float | None = None) -> Room | None:
        """Only rooms in progress have a name to be found by."""
        if as_of_s is None:
            sid = self._names.get(name)
            return self._live[sid] if sid else None
        return next((room for room in self.newest_first(True, as_of_s) if room.name == name), None)

    def newest_first(self, in_progress: bool, as_of_s: float | None = None) -> Iterator[Room]:
        """The rooms in progress, or the others."""
        if as_of_s is None and in_progress:
            yield from reversed(self._live.values())
            return
        rooms: Iterable[Room] = self._ended.values()
        if as_of_s is not None:
            everything = [*self._live.values(), *self._ended.values()]
            past = (self._as_of(room, as_of_s) for room in everything)
            rooms = [room for room in past if room and room.is_in_progress == in_progress]
        yield from sorted(rooms, key=lambda room: -room.ordinal)

    def all_rooms(self, as_of_s: float | None = None) -> Iterator[Room]:
        yield from self.newest_first(True, as_of_s)
        yield from self.newest_first(False, as_of_s)

    def _as_of(self, room: Room, as_of_s: float) -> Room | None:
        """The state that the room had then; None before it was made."""
        return next((old for at_s, old in reversed(self._past[room.sid]) if at_s <= as_of_s), None)

    def _remember(self, room: Room, clock_s: float) -> None:
        self._past.setdefault(room.sid, deque()).append((clock_s, room))
        self._changes.append((clock_s, room.sid))
        horizon_s = clock_s - MAX_LAG_S
        while self._changes[0][0] <= horizon_s:
            past = self._past.get(self._changes.popleft()[1])
            # The last state from before the horizon is what the room was at the horizon.
            while past and len(past) > 1 and past[1][0] <= horizon_s:
                past.popleft()
