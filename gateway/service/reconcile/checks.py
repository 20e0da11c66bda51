"""The reconciler's checks.

Each reads a part of Twilio's REST API, compares it with the log and returns the
difference. The leader then logs the difference and reports it to the book.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from gateway.core.cursors import LogPosition
from gateway.core.errors import NotFound, UpstreamUnavailable
from gateway.core.participants import Participant, ParticipantFilter, ParticipantStatus
from gateway.core.room_state.history import RoomHistory
from gateway.core.room_state.presence import PresenceSnapshot, SnapshotStay
from gateway.core.room_state.reconcile import NO_DIFFERENCE, Difference, Observation
from gateway.core.room_state.room_book import RoomBook
from gateway.core.rooms import AccountSid, RoomFilter, RoomSid
from gateway.core.sids import ParticipantSid
from gateway.service.log.tail import Tail
from gateway.service.upstream.upstream import Upstream
from gateway.store.eventlog import EventLog, readable
from gateway.store.presence import PresenceStore
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.participants import list_participants, list_published_tracks
from gateway.twilio.wire.resource import PAGE_SIZE_LIMIT
from gateway.twilio.wire.rooms import fetch_room, list_rooms

T = TypeVar("T")

# Log entries in one read: parsing them takes some 10 ms, in which the event loop does
# nothing else.
READ_COUNT = 200


class Twilio:
    """Twilio's REST API within the reconciler's part of the quota, for one leader."""

    def __init__(
        self,
        upstream: Upstream,
        events: EventLog,
        tail: Tail,
        account_sid: AccountSid,
        is_leading: Callable[[], bool],
    ) -> None:
        self._upstream = upstream
        self._events = events
        self._tail = tail
        self._account_sid = account_sid
        self._is_leading = is_leading

    def as_of(self) -> LogPosition | None:
        """Returns the position up to which a request that is made now shows
        everything."""
        return self._tail.as_of()

    def observe(self) -> Observation:
        """Returns an empty observation for a request that is made now."""
        as_of = self.as_of()
        return Observation(at=datetime.now(UTC), as_of_n=0 if as_of is None else as_of.n)

    async def fetch(self, request: WireRequest[T]) -> T:
        """Returns Twilio's response.

        Raises UpstreamUnavailable if this replica no longer leads, and what
        `Upstream.compare` raises.
        """
        if not self._is_leading():
            raise UpstreamUnavailable("another replica leads the reconciler now")
        return await self._upstream.compare(request)

    async def room_history(self, sid: RoomSid) -> RoomHistory:
        """Returns what the room's own log says.

        It can have events that were dropped from the account's log. Raises
        UpstreamUnavailable.
        """
        history, read_n = RoomHistory(sid, self._account_sid), 0
        while entries := await self._events.read(read_n, READ_COUNT, sid):
            for entry in readable(entries):
                history = history.after(entry.event, entry.position.n)
            read_n = entries[-1].position.n
        return history


class RunnableCheck(Protocol):
    async def run(self, book: RoomBook, twilio: Twilio) -> Difference:
        """Returns what the log lacks of what Twilio shows.

        Raises what `Twilio.fetch` raises.
        """


@dataclass(frozen=True, slots=True)
class RoomListCheck:
    """One page of the list of rooms in progress."""

    page_size: int

    async def run(self, book: RoomBook, twilio: Twilio) -> Difference:
        observation = twilio.observe()
        page = await twilio.fetch(list_rooms(RoomFilter(), self.page_size, book.list_query))
        differences = []
        for room in page.items:
            if book.has_ended(room.sid):
                continue  # REST lags the end that the log has.
            if room.sid not in book:
                book.add_room(await twilio.room_history(room.sid), time.monotonic())
            shown = replace(observation, room=room)
            differences.append(book.compare(room.sid, shown, time.monotonic()))
        book.add_page({room.sid for room in page.items}, page.next_query, observation.as_of_n)
        return Difference(tuple(event for difference in differences for event in difference.events))


@dataclass(frozen=True, slots=True)
class RoomCheck:
    """One room, also one that the book does not know."""

    room: RoomSid

    async def run(self, book: RoomBook, twilio: Twilio) -> Difference:
        if self.room not in book:
            book.add_room(await twilio.room_history(self.room), time.monotonic())
        observation = twilio.observe()
        try:
            room = await twilio.fetch(fetch_room(self.room))
        except NotFound:
            history = book.history(self.room)
            if history is not None and history.first_n <= observation.as_of_n:
                # Twilio does not know the room: there is nothing to compare with.
                book.forget(self.room)
            return NO_DIFFERENCE
        return book.compare(self.room, replace(observation, room=room), time.monotonic())


@dataclass(frozen=True, slots=True)
class ParticipantsCheck:
    """The participants that are in a room."""

    room: RoomSid

    async def run(self, book: RoomBook, twilio: Twilio) -> Difference:
        if not book.is_in_progress(self.room):
            return NO_DIFFERENCE
        observation = twilio.observe()
        # A room has at most 50 participants, so they fit into one page.
        request = list_participants(self.room, ParticipantFilter(), PAGE_SIZE_LIMIT)
        page = await twilio.fetch(request)
        shown = replace(observation, participants=page.items, has_all_present=True)
        return book.compare(self.room, shown, time.monotonic())


@dataclass(frozen=True, slots=True)
class DeparturesCheck:
    """The participants that left a room."""

    room: RoomSid

    async def run(self, book: RoomBook, twilio: Twilio) -> Difference:
        observation = twilio.observe()
        participants: list[Participant] = []
        left = ParticipantFilter(statuses=(ParticipantStatus.DISCONNECTED,))
        query, has_more = None, True
        while has_more:
            request = list_participants(self.room, left, PAGE_SIZE_LIMIT, query)
            page = await twilio.fetch(request)
            participants += page.items
            query, has_more = page.next_query, page.next_query is not None
        shown = replace(observation, participants=tuple(participants))
        return book.compare(self.room, shown, time.monotonic())


@dataclass(frozen=True, slots=True)
class TracksCheck:
    """The tracks that one participant publishes."""

    room: RoomSid
    participant: str

    async def run(self, book: RoomBook, twilio: Twilio) -> Difference:
        history = book.history(self.room)
        if history is None or history.is_end_logged or self.participant not in history.present:
            return NO_DIFFERENCE
        observation = twilio.observe()
        sid = ParticipantSid(self.participant)
        page = await twilio.fetch(list_published_tracks(self.room, sid, PAGE_SIZE_LIMIT))
        shown = replace(
            observation,
            tracks={self.participant: page.items},
            absent_since=book.tracks_absent_since(self.room, self.participant),
        )
        return book.compare(self.room, shown, time.monotonic())


@dataclass(frozen=True, slots=True)
class SnapshotCheck:
    """Everybody in a room with their tracks. Stores what Twilio shows, and compares
    nothing."""

    room: RoomSid
    store: PresenceStore

    async def run(self, book: RoomBook, twilio: Twilio) -> Difference:
        position, numbers = twilio.as_of(), book.snapshot_numbers(self.room)
        if position is None or numbers is None:
            return NO_DIFFERENCE
        request = list_participants(self.room, ParticipantFilter(), PAGE_SIZE_LIMIT)
        page = await twilio.fetch(request)
        stays = [await self._stay(twilio, participant) for participant in page.items]
        snapshot = PresenceSnapshot(position.epoch, position.n, numbers.highest, tuple(stays))
        await self.store.put_snapshot(self.room, snapshot)
        book.add_snapshot(self.room, numbers, time.monotonic())
        return NO_DIFFERENCE

    async def _stay(self, twilio: Twilio, participant: Participant) -> SnapshotStay:
        try:
            tracks = await twilio.fetch(
                list_published_tracks(self.room, participant.sid, PAGE_SIZE_LIMIT)
            )
        except NotFound:
            # The participant has just left: the log will have it.
            return SnapshotStay(participant, ())
        return SnapshotStay(
            replace(participant, url=None, links=None),
            tuple(replace(track, url=None) for track in tracks.items),
        )
