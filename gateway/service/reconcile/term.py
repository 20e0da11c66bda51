"""Comparing the log with Twilio's REST, and telling the log what it misses.

A leader looks at a room with a hole in its sequence numbers or an expired callback first, at the list of rooms in progress
every few seconds, and at each room again and again, the one that waited longest first: as fast as its part of the read quota
allows.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar

import structlog

from gateway.core.errors import GatewayError, NotFound, UpstreamUnavailable
from gateway.core.events import RoomEvent, RoomEventType
from gateway.core.limits.due_queue import DuePriority, DueQueue
from gateway.core.lru import LruCache
from gateway.core.participants import Participant, ParticipantFilter, ParticipantStatus
from gateway.core.room_state.reconcile import (
    REST_LAG,
    Difference,
    RoomView,
    Shown,
    compare,
    fact_of,
    told,
)
from gateway.core.rooms import AccountSid, RoomFilter, RoomSid
from gateway.core.sids import ParticipantSid
from gateway.service.log.tail import Notifier, Tail, leave_if_cancelled
from gateway.service.upstream.upstream import NO_ANSWER, Upstream
from gateway.store.eventlog import EventLog, Logged
from gateway.store.recheck_queue import RecheckQueue
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.participants import list_participants, list_published_tracks
from gateway.twilio.wire.resource import PAGE_SIZE_LIMIT
from gateway.twilio.wire.rooms import fetch_room, list_rooms

log = structlog.get_logger()
T = TypeVar("T")

# How often the rooms in progress are listed, for each page of the list; and how large a page is: 250 rooms are some 300 kB.
LIST_S = 5.0
LIST_PAGE = 250
# How often the people of a room are looked at; where there are more rooms than the quota allows for, as often as it does.
# Less than the 15 s of P7, by what a repair takes.
ROUND_S = 12.0
# How often the tracks of somebody are looked at, if the quota has calls to spare.
TRACKS_S = 30.0
# Callbacks overtake each other: a hole counts when it is still there so much later.
HOLE_S = 2.0
# When what was too young to be judged is judged again.
AGAIN_S = REST_LAG.total_seconds()
# How long nothing is asked after an answer that failed.
RETRY_S = 1.0
IDLE_S = 1.0
# Calls under way at once: enough to spend 16 a second of a Twilio that takes half a second to answer.
SLOTS = 8
# Entries read at once: some 10 ms in which nothing else goes on.
SCAN_COUNT = 200
SUSPECTS_COUNT = 100
ENDED_LIMIT = 50_000
"""How many rooms that have ended are remembered, so that REST's lag or a late event does not begin them anew."""


class CheckKind(Enum):
    ROOMS = "rooms"
    ROOM = "room"
    HOLE = "hole"
    PEOPLE = "people"
    GONE = "gone"
    TRACKS = "tracks"


@dataclass(frozen=True, slots=True)
class Check:
    """Something to compare: the list of rooms in progress, one room, who is in it, who has left it, or what somebody in it
    publishes. HOLE asks nobody yet: it sees whether a hole is still there."""

    what: CheckKind
    room: RoomSid
    participant: str = ""


ALL_ROOMS = Check(CheckKind.ROOMS, RoomSid(""))


class LeaderTerm:
    """What one leader knows from the moment it begins to lead until it stops, or until the log is found to be another."""

    def __init__(
        self,
        upstream: Upstream,
        events: EventLog,
        tail: Tail,
        recheck_queue: RecheckQueue,
        account_sid: AccountSid,
        may_lead: Callable[[], bool],
    ) -> None:
        self._upstream = upstream
        self._events = events
        self._tail = tail
        self._recheck_queue = recheck_queue
        self._account_sid = account_sid
        self._may_lead = may_lead
        self._generation = tail.generation
        self._n = 0
        self._has_read = False
        self._views: dict[RoomSid, RoomView] = {}
        self._ended = LruCache[RoomSid, None](max_entries=ENDED_LIMIT)
        self._due_queue = DueQueue[Check]()
        self._suspected: set[RoomSid] = set()
        self._holes: dict[RoomSid, frozenset[int]] = {}
        self._missed: dict[RoomSid, dict[str, datetime]] = {}
        self._early: deque[tuple[float, RoomSid, Shown]] = deque()
        self._slots = asyncio.Semaphore(SLOTS)
        self._hold_until = float("-inf")
        self._suspects_at = float("-inf")

    async def serve(self) -> None:
        """Returns when this term is over. Raises UpstreamUnavailable when Redis gives no answer."""
        await self._read_log()
        self._add(ALL_ROOMS, 0, DuePriority.URGENT)
        with self._tail.notifier(None) as notifier:
            async with asyncio.TaskGroup() as looks:
                while self._is_on():
                    notifier.clear()
                    await self._hear()
                    await self._judge_again()
                    look = self._due_queue.take(time.monotonic())
                    if look is None:
                        await notifier.wait(
                            min(IDLE_S, max(0.0, self._due_queue.next_at() - time.monotonic()))
                        )
                        continue
                    await asyncio.sleep(max(0.0, self._hold_until - time.monotonic()))
                    await self._slots.acquire()
                    looks.create_task(self._look(look, notifier))

    def _is_on(self) -> bool:
        return self._may_lead() and self._tail.generation == self._generation

    async def _read_log(self) -> None:
        """All of it: what the log does not know to be over is in progress until REST says otherwise."""
        while self._n < self._tail.floor.n:
            entries = await self._events.read(self._n, SCAN_COUNT)
            for logged in entries:
                self._tell(logged.event, logged.position.n)
            self._n = entries[-1].position.n if entries else self._tail.floor.n
        self._take_in(self._tail.read_after(self._n))
        self._has_read = True
        for sid, view in self._views.items():
            if view.missing:
                self._suspect(sid)
            else:
                self._add(Check(CheckKind.PEOPLE, sid), 0, DuePriority.ROUND)

    async def _hear(self) -> None:
        """Takes in what was logged, and what other replicas suspect."""
        if self._n >= self._tail.floor.n:
            heard = self._tail.read_after(self._n)
        else:
            heard = await self._events.read(self._n, SCAN_COUNT)
        self._take_in(heard)
        for sid in {logged.event.room_sid for logged in heard}:
            view = self._views.get(sid)
            if view is not None and view.missing - self._holes.get(sid, frozenset()):
                self._add(Check(CheckKind.HOLE, sid), HOLE_S, DuePriority.URGENT)
        if time.monotonic() - self._suspects_at > IDLE_S:
            self._suspects_at = time.monotonic()
            recheck_queue = await self._recheck_queue.take(SUSPECTS_COUNT)
            leave_if_cancelled()
            for sid in recheck_queue:
                self._ended.pop(sid)
                self._add(Check(CheckKind.ROOM, sid), 0, DuePriority.URGENT)
                self._suspect(sid)

    def _take_in(self, entries: list[Logged]) -> None:
        for logged in entries:
            self._tell(logged.event, logged.position.n)
            self._n = max(self._n, logged.position.n)

    def _tell(self, event: RoomEvent, n: int) -> None:
        sid = event.room_sid
        view = self._views.get(sid)
        if view is None and (event.recording_sid is not None or sid in self._ended):
            return
        before = view or RoomView(sid, self._account_sid)
        self._keep(told(before, event, n), was_told=before.is_end_told)

    def _keep(self, view: RoomView, *, was_told: bool) -> None:
        """Keeps the view while there is something left to find out about the room."""
        if view.is_end_told and not view.here:
            self._end(view.sid)
            return
        if view.sid not in self._views:
            self._add(Check(CheckKind.PEOPLE, view.sid), ROUND_S, DuePriority.ROUND)
        self._views[view.sid] = view
        if view.is_end_told and not was_told:
            # Those who were in it have left: in a moment, what the log was not told of that. A day's log may have many such.
            self._add(
                Check(CheckKind.GONE, view.sid),
                AGAIN_S + 1,
                DuePriority.ROUND if self._has_read else DuePriority.SPARE,
            )

    def _forget(self, sid: RoomSid) -> None:
        """There is nothing to look at any more; should something be told of it again, it is looked at again."""
        self._views.pop(sid, None)
        self._holes.pop(sid, None)
        self._missed.pop(sid, None)
        self._suspected.discard(sid)
        self._due_queue.drop(Check(CheckKind.PEOPLE, sid))

    def _end(self, sid: RoomSid) -> None:
        self._forget(sid)
        self._ended.put(sid, None)

    def _add(self, look: Check, in_s: float, priority: DuePriority) -> None:
        self._due_queue.add(look, time.monotonic() + in_s, priority)

    def _suspect(self, sid: RoomSid) -> None:
        """Has who is in the room looked at next, and then who has left it and what is published."""
        self._suspected.add(sid)
        self._add(Check(CheckKind.PEOPLE, sid), 0, DuePriority.URGENT)

    async def _look(self, look: Check, notifier: Notifier) -> None:
        try:
            await self._look_at(look)
        except NotFound:
            # REST does not show it yet: the next round asks again. Of what is over there is none.
            log.info("reconcile.not_found", what=look.what.value, room_sid=look.room)
            view = self._views.get(look.room)
            if view is not None and view.is_end_told:
                self._end(look.room)
        except NO_ANSWER as exc:
            self._hold_until = time.monotonic() + RETRY_S
            self._add(look, RETRY_S, DuePriority.ROUND)
            log.info("reconcile.deferred", what=look.what.value, reason=exc.message)
        except GatewayError as exc:
            self._hold_until = time.monotonic() + RETRY_S
            self._add(look, LIST_S, DuePriority.ROUND)
            log.warning("reconcile.refused", what=look.what.value, reason=exc.message)
        finally:
            self._slots.release()
            notifier.notify()

    async def _look_at(self, look: Check) -> None:
        match look.what:
            case CheckKind.ROOMS:
                await self._look_at_rooms()
            case CheckKind.ROOM:
                await self._look_at_room(look)
            case CheckKind.HOLE:
                self._look_at_hole(look.room)
            case CheckKind.PEOPLE:
                await self._look_at_people(look)
            case CheckKind.GONE:
                await self._look_at_gone(look)
            case CheckKind.TRACKS:
                await self._look_at_tracks(look)

    async def _look_at_rooms(self) -> None:
        listed: set[RoomSid] = set()
        query, begun, pages = None, self._asked(), 0
        while pages == 0 or query is not None:
            asked = self._asked()
            page = await self._ask(list_rooms(RoomFilter(), LIST_PAGE, query))
            for room in page.items:
                listed.add(room.sid)
                if room.sid in self._ended:
                    # REST lags the end that was told.
                    continue
                if room.sid not in self._views:
                    await self._take_up(room.sid)
                await self._repair(room.sid, replace(asked, room=room))
            query, pages = page.next_query, pages + 1
        for view in [
            view for sid, view in self._views.items() if sid not in listed and not view.is_end_told
        ]:
            if not view.n:
                self._forget(view.sid)
            elif view.first_n <= begun.as_of_n:
                self._add(Check(CheckKind.ROOM, view.sid), 0, DuePriority.URGENT)
        self._add(ALL_ROOMS, LIST_S * pages, DuePriority.URGENT)

    async def _take_up(self, sid: RoomSid) -> None:
        """A room that was never heard of, or whose events were dropped from the account's log: its own may know more."""
        view = RoomView(sid, self._account_sid)
        while entries := await self._events.read(view.n, SCAN_COUNT, sid):
            for logged in entries:
                view = told(view, logged.event, logged.position.n)
        if sid not in self._views:
            self._keep(view, was_told=False)
            self._add(Check(CheckKind.PEOPLE, sid), 0, DuePriority.URGENT)

    async def _look_at_room(self, look: Check) -> None:
        if look.room not in self._views:
            await self._take_up(look.room)
        asked = self._asked()
        try:
            room = await self._ask(fetch_room(look.room))
        except NotFound:
            view = self._views.get(look.room)
            if view is not None and view.first_n <= asked.as_of_n:
                # It was told of, but Twilio knows nothing of it: there is nothing to compare with.
                self._forget(look.room)
            return
        await self._repair(look.room, replace(asked, room=room))

    def _look_at_hole(self, sid: RoomSid) -> None:
        view = self._views.get(sid)
        if view is not None and view.missing - self._holes.get(sid, frozenset()):
            self._suspect(sid)

    async def _look_at_people(self, look: Check) -> None:
        view = self._views.get(look.room)
        if view is None or view.is_end_told:
            return
        is_suspected = look.room in self._suspected
        self._suspected.discard(look.room)
        # A number that is still missing after this look was nothing that REST shows: it is no reason for another one.
        self._holes[look.room] = view.missing
        self._add(look, ROUND_S, DuePriority.ROUND)
        asked = self._asked()
        try:
            listed = await self._ask(
                list_participants(look.room, ParticipantFilter(), PAGE_SIZE_LIMIT)
            )
        except GatewayError:
            if is_suspected:
                self._suspected.add(look.room)
            raise
        shown = replace(asked, people=listed.items, has_all_here=True)
        found = await self._repair(look.room, shown)
        if found.missing or is_suspected:
            self._add(Check(CheckKind.GONE, look.room), 0, DuePriority.URGENT)
        for person in listed.items:
            track_look = Check(CheckKind.TRACKS, look.room, person.sid)
            if is_suspected:
                self._add(track_look, 0, DuePriority.ROUND)
            else:
                self._add(track_look, TRACKS_S, DuePriority.SPARE)

    async def _look_at_gone(self, look: Check) -> None:
        asked, query, has_more = self._asked(), None, True
        people: list[Participant] = []
        left = ParticipantFilter(status=ParticipantStatus.DISCONNECTED)
        while has_more:
            page = await self._ask(list_participants(look.room, left, PAGE_SIZE_LIMIT, query))
            people += page.items
            query, has_more = page.next_query, page.next_query is not None
        found = await self._repair(look.room, replace(asked, people=tuple(people)))
        view = self._views.get(look.room)
        if view is not None and view.is_end_told:
            if found.is_early:
                self._add(look, AGAIN_S, DuePriority.ROUND)
            else:
                self._end(look.room)

    async def _look_at_tracks(self, look: Check) -> None:
        view = self._views.get(look.room)
        person = (
            view.people.get(look.participant) if view is not None and not view.is_end_told else None
        )
        if person is None or person.is_gone:
            return
        asked = self._asked()
        listed = await self._ask(
            list_published_tracks(look.room, ParticipantSid(look.participant), PAGE_SIZE_LIMIT)
        )
        of_room = self._missed.get(look.room, {})
        missed = {
            track: at for track in person.tracks if (at := of_room.pop(track, None)) is not None
        }
        shown = replace(asked, tracks={look.participant: listed.items}, missed=missed)
        found = await self._repair(look.room, shown)
        if found.missing:
            self._add(look, AGAIN_S, DuePriority.ROUND)
        settled = {track.sid for track in listed.items} | {
            event.track_sid for event in found.events
        }
        waiting = {track: at for track, at in missed.items() if track not in settled}
        if look.room in self._views:
            self._missed.setdefault(look.room, {}).update(
                dict.fromkeys(found.missing, asked.at) | waiting
            )

    async def _repair(self, sid: RoomSid, shown: Shown) -> Difference:
        """Tells the log what it misses of what was shown; of what is too young for that, the same answer is judged later."""
        view = self._views.get(sid)
        if view is None:
            return Difference((), (), False)
        found = compare(view, shown)
        for event in found.events:
            if not self._is_on():
                break
            appended = await self._events.append(event, fact_of(event))
            log.info("reconcile.repaired", type=event.type.value, room_sid=sid)
            # Heard again from the tail, which changes nothing; but what is looked at next must know it.
            self._tell(event, appended.position.n)
            if (
                event.type is RoomEventType.PARTICIPANT_CONNECTED
                and event.participant_sid is not None
            ):
                self._add(Check(CheckKind.TRACKS, sid, event.participant_sid), 0, DuePriority.ROUND)
        if found.is_early:
            self._early.append((time.monotonic() + AGAIN_S, sid, shown))
        return found

    async def _judge_again(self) -> None:
        """By now a callback would have told what was too young then. Who is missing is another question, to be asked anew."""
        while self._early and self._early[0][0] <= time.monotonic():
            _, sid, shown = self._early.popleft()
            await self._repair(sid, replace(shown, at=datetime.now(UTC), has_all_here=False))

    def _asked(self) -> Shown:
        """What a question that is put now can say: everything up to so long ago as REST may lag."""
        as_of = self._tail.as_of()
        return Shown(at=datetime.now(UTC), as_of_n=0 if as_of is None else as_of.n)

    async def _ask(self, request: WireRequest[T]) -> T:
        if not self._is_on():
            raise UpstreamUnavailable("another replica leads by now")
        return await self._upstream.compare(request)
