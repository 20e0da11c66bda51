"""Use cases of presence: who is in a room, from the event log alone. No read calls
Twilio."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.core.callers import Caller, Scope
from gateway.core.cursors import CursorCodec
from gateway.core.errors import GatewayError, NotFound
from gateway.core.room_state.history import beginning_n
from gateway.core.room_state.presence import PresenceState, RoomPresence, is_final
from gateway.core.rooms import AccountSid, RoomRef, RoomSid, RoomStatus
from gateway.service.call_context import limit_max_age
from gateway.service.flights.gather import gather_outcomes
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.rooms import Rooms
from gateway.store.eventlog import readable
from gateway.store.presence import LogEpoch, PresenceStore, RoomStory

# After so many rooms, other tasks get their turn: one room takes up to 5 ms.
_ROOMS_AT_ONCE: Final = 4


class Presence:
    """Who is in the rooms of one account.

    A read shows every event that was logged 250 ms before it, and every change that
    this process made before it. None stands for a room whose whole story the log does
    not have. All methods raise PermissionDenied without the scope, and
    UpstreamUnavailable when the log cannot be read.
    """

    def __init__(
        self,
        rooms: Rooms,
        store: PresenceStore,
        room_memory: RoomMemory,
        tail: Tail,
        cursor_codec: CursorCodec,
        account_sid: AccountSid,
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._room_memory = room_memory
        self._tail = tail
        self._cursor_codec = cursor_codec
        self._account_sid = account_sid

    async def of_room(self, caller: Caller, ref: RoomRef) -> RoomPresence | None:
        """Returns who is in a room. Raises NotFound for a name without a room in
        progress, and for a room that the caller may not see.

        A SID is not looked up first, so the result is also None for a room that does
        not exist. A name may need a call to Twilio.
        """
        [outcome] = await self.of_refs(caller, [ref])
        if isinstance(outcome, NotFound):
            raise outcome
        return outcome

    async def of_refs(
        self, caller: Caller, refs: Sequence[RoomRef]
    ) -> list[RoomPresence | NotFound | None]:
        """Returns what `of_room` returns or raises for each room, in their order."""
        outcomes = await gather_outcomes(
            self._rooms.locate(caller, ref, Scope.ROOMS_READ) for ref in refs
        )
        located = [_sid_or_not_found(outcome) for outcome in outcomes]
        sids = [sid for sid in located if not isinstance(sid, NotFound)]
        presences = await self.of_rooms(caller, [(sid, RoomStatus.IN_PROGRESS) for sid in sids])
        presence_of = dict(zip(sids, presences, strict=True))
        return [sid if isinstance(sid, NotFound) else presence_of[sid] for sid in located]

    async def of_rooms(
        self, caller: Caller, rooms: Sequence[tuple[RoomSid, RoomStatus]]
    ) -> list[RoomPresence | None]:
        """Returns who is in each room, in the order of the rooms.

        The caller must have been shown the rooms, with these statuses. Rooms that this
        process does not remember are read from Redis, all in one round trip.
        """
        caller.require(Scope.ROOMS_READ)
        # The next event may happen at any moment.
        limit_max_age(0)
        live = {sid for sid, status in rooms if not status.is_final}
        # Before the read: events that arrive meanwhile may show, and may come again.
        cursor = self._cursor_codec.log_cursor(self._tail.position)
        states = await self._states(live)
        presences: list[RoomPresence | None] = []
        for sid, _ in rooms:
            # Nobody is in a room that has ended.
            stays = states[sid].present if sid in live else ()
            presences.append(None if stays is None else RoomPresence(sid, cursor, stays))
        return presences

    async def _states(self, sids: set[RoomSid]) -> dict[RoomSid, PresenceState]:
        states: dict[RoomSid, PresenceState] = {}
        if self._room_memory.is_current:
            held = ((sid, self._room_memory.presence.state(sid)) for sid in sids)
            states = {sid: state for sid, state in held if state is not None}
        missing = sorted(sids - states.keys())
        return states | (await self._read(missing) if missing else {})

    async def _read(self, sids: Sequence[RoomSid]) -> dict[RoomSid, PresenceState]:
        """The states by what Redis has, and by what this process has read since."""
        generation, start = self._room_memory.generation, self._tail.position
        epoch, stories = await self._store.read(sids)
        states: dict[RoomSid, PresenceState] = {}
        for number, (sid, story) in enumerate(zip(sids, stories, strict=True), 1):
            states[sid] = fold(story, sid, self._account_sid, epoch)
            if number % _ROOMS_AT_ONCE == 0:
                await asyncio.sleep(0)
        # From here on without an await, so that memory misses no event.
        ring = self._tail.ring
        is_continuous = (
            generation == self._room_memory.generation
            and epoch is not None
            and epoch.id == start.epoch == ring.position.epoch
            and start.n >= ring.floor.n
        )
        if not is_continuous:
            return {
                sid: state if state.has_ended else PresenceState.empty(sid, self._account_sid)
                for sid, state in states.items()
            }
        for entry in ring.readable_after(start.n):
            state = states.get(entry.room_sid)
            if state is not None and state.is_known:
                states[entry.room_sid] = state.after(entry.event)
        for sid, state in states.items():
            if state.is_known:
                self._room_memory.presence.hold(sid, state)
        return states


def _sid_or_not_found(outcome: RoomSid | GatewayError) -> RoomSid | NotFound:
    if isinstance(outcome, GatewayError) and not isinstance(outcome, NotFound):
        raise outcome
    return outcome


def fold(
    story: RoomStory, sid: RoomSid, account_sid: AccountSid, epoch: LogEpoch | None
) -> PresenceState:
    """The state after a room's story. Nothing is known if the story is not whole.

    A whole story begins with a snapshot, or with the room's own beginning. Events were
    lost before an epoch of the log, so either must be of this epoch.

    What is final counts from before a snapshot, too: a callback that it has overtaken
    must not bring a participant back who has left.
    """
    entries, snapshot = story.entries, story.snapshot
    state, is_whole, after_n = PresenceState.empty(sid, account_sid), False, 0
    reaches_back = story.is_whole or (
        bool(entries) and snapshot is not None and entries[0].position.n <= snapshot.as_of_n
    )
    if snapshot is not None and epoch is not None and snapshot.epoch == epoch.id and reaches_back:
        state = PresenceState.from_snapshot(sid, account_sid, snapshot)
        is_whole, after_n = True, snapshot.as_of_n
    elif story.is_whole and epoch is not None:
        is_whole = any(
            beginning_n(entry.event, entry.position.n) > epoch.base_n
            for entry in readable(entries)
            if entry.position.epoch == epoch.id
        )
    later = [entry for entry in entries if entry.position.n > after_n]
    is_whole = is_whole and len(readable(later)) == len(later)
    for entry in readable(entries):
        if is_final(entry.event) or (is_whole and entry.position.n > after_n):
            state = state.after(entry.event)
    return replace(state, has_beginning=is_whole)
