"""Live views: a snapshot of a room, to which the events of the log are applied.

A view reads the room from Twilio once when it starts, through the cache that all reads
share. After that it follows the log, and no event costs a request.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import structlog

from gateway.core.caching import Freshness, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.cursors import CursorCodec
from gateway.core.errors import CursorExpired, GatewayError, NotFound, Reason
from gateway.core.events import (
    Bookmark,
    Delivered,
    Gap,
    ResyncRequired,
    RoomEvent,
    StreamMessage,
    StreamStarted,
)
from gateway.core.lru import LruCache
from gateway.core.outcomes import not_found
from gateway.core.paging import PAGE_LIMIT, Page
from gateway.core.participants import Participant, ParticipantFilter, ParticipantRef, PublishedTrack
from gateway.core.room_state.live import LiveRoom, RoomState, Stay
from gateway.core.rooms import RoomRef, RoomSid, RoomStatus
from gateway.service.flights.gather import gather_outcomes
from gateway.service.log.tail import Tail
from gateway.service.participants import Participants
from gateway.service.rooms import Rooms
from gateway.service.streams.feed import EventFilter, EventSubscription, Feed
from gateway.service.streams.timeline import Timeline
from gateway.service.streams.timings import StreamTimings
from gateway.service.upstream.upstream import NO_ANSWER

log = structlog.get_logger()

T = TypeVar("T")

# Up to 1,000 stays. A room in progress has at most 50 participants, and a room that has
# ended does not change.
# https://www.twilio.com/docs/video/programmable-video-limits
PARTICIPANT_PAGES = 10
# How many participants' tracks are read at the same time. All callers share the read
# quota.
CONCURRENT_TRACK_READS = 10
# What views of one room share: the states after its newest events, and for each event
# as many states as there may be different snapshots.
SHARED_EVENTS = 32
STATES_PER_EVENT = 4


@dataclass(frozen=True, slots=True)
class _View:
    """A state after all events up to `cursor`."""

    state: RoomState
    freshness: Freshness
    cursor: str

    def after(self, events: Iterable[RoomEvent], cursor: str) -> "_View":
        return replace(self, state=self.state.after(*events).bounded(), cursor=cursor)


class _SharedStates:
    """The states that the newest events of a room led to.

    The first view that receives an event applies it. The others that had an equal state
    before reuse the result. Exists as long as the room has views.
    """

    def __init__(self) -> None:
        self._by_cursor = LruCache[str, list[tuple[RoomState, RoomState]]](
            max_entries=SHARED_EVENTS
        )

    def after(self, before: RoomState, message: Delivered) -> RoomState:
        shared = self._by_cursor.peek(message.cursor)
        if shared is None:
            self._by_cursor.put(message.cursor, shared := [])
        for start, end in shared:
            if start is before or start == before:
                return end
        after = before.after(message.event).bounded()
        if len(shared) < STATES_PER_EVENT:
            shared.append((before, after))
        return after


class LiveViews:
    """The live views of one account."""

    def __init__(
        self,
        rooms: Rooms,
        participants: Participants,
        feed: Feed,
        timeline: Timeline,
        tail: Tail,
        cursor_codec: CursorCodec,
        timings: StreamTimings = StreamTimings(),
    ) -> None:
        self._rooms = rooms
        self._participants = participants
        self._feed = feed
        self._timeline = timeline
        self._tail = tail
        self._cursor_codec = cursor_codec
        self._timings = timings
        self._shared: WeakValueDictionary[RoomSid, _SharedStates] = WeakValueDictionary()

    async def watch(
        self, caller: Caller, ref: RoomRef
    ) -> AsyncGenerator[ReadResult[LiveRoom], None]:
        """The room with its participants, now and after each change.

        `as_of` is the cursor of the last event that was applied. A name is resolved
        once: the view keeps its room, even if another room gets the name later.

        Raises on the first step: NotFound (no such room, or none in progress of that
        name), PermissionDenied, and what a read raises. Ends only when the gateway
        stops.
        """
        caller.require(Scope.EVENTS_SUBSCRIBE)
        sid = await self._rooms.locate(caller, ref, Scope.ROOMS_READ)
        shared = self._shared.setdefault(sid, _SharedStates())
        subscription = EventSubscription(EventFilter(RoomRef(sid, None)), None, _unencoded)
        async with aclosing(self._feed.subscribe(caller, subscription)) as messages:
            started = await anext(messages)
            view = await self._read(caller, sid, started.cursor)
            sent = view.state.view
            yield ReadResult(sent, view.freshness, view.cursor)
            async for message in messages:
                match message:
                    case Delivered():
                        state = shared.after(view.state, message)
                        view = replace(view, state=state, cursor=message.cursor)
                    case ResyncRequired() | Gap():
                        view = await self._reread(caller, sid, message.cursor, view)
                    case StreamStarted() | Bookmark():
                        pass
                current = view.state.view
                if current != sent:
                    sent = current
                    yield ReadResult(sent, view.freshness, view.cursor)

    def participants(
        self, room: LiveRoom, filters: ParticipantFilter, first: int, after: str | None
    ) -> Page[Stay]:
        """A page of a view's stays, with opaque cursors.

        Raises InvalidArgument for a cursor that is not one of this list.
        """
        return self._page(room.room.sid, after, lambda key: room.page(filters, first, key))

    def tracks(self, stay: Stay, first: int, after: str | None) -> Page[PublishedTrack]:
        """A page of the tracks of a view's stay, like `participants`."""
        return self._page(stay.participant.sid, after, lambda key: stay.page(first, key))

    def _page(
        self, list_id: str, after: str | None, page_after: Callable[[str | None], Page[T]]
    ) -> Page[T]:
        codec = self._cursor_codec
        page = page_after(None if after is None else codec.list_key(list_id, after))
        items = tuple((codec.list_cursor(list_id, key), item) for key, item in page.items)
        return Page(items, items[-1][0] if items else None, page.has_next_page)

    async def _reread(self, caller: Caller, sid: RoomSid, cursor: str, earlier: _View) -> _View:
        """A view from a new snapshot, after events were lost. Retries until Twilio
        answers; returns the earlier view if the gateway stops first."""
        while not self._tail.is_closed:
            try:
                view = await self._read(caller, sid, cursor)
            except NO_ANSWER as exc:
                log.warning("live.unread", room_sid=sid, reason=exc.message)
                await asyncio.sleep(self._timings.reread_s)
            else:
                return replace(view, state=view.state.keeping_end_of(earlier.state))
        return earlier

    async def _read(self, caller: Caller, sid: RoomSid, cursor: str) -> _View:
        """A view from a snapshot and all that was logged since. The caller misses
        nothing after `cursor`."""
        room = await self._rooms.room(caller, RoomRef(sid, None))
        if room is None:
            raise not_found(Reason.ROOM_NOT_FOUND)
        parts: list[ReadResult[Any]] = [room]
        try:
            participants = await self._read_participants(caller, sid, parts)
        except NotFound:
            # Twilio does not show the room here yet. The log has its participants so
            # far. https://github.com/twilio/twilio-node/issues/593
            participants, parts = [], [replace(room, as_of=None)]
        tracks: list[Sequence[PublishedTrack]] = [()] * len(participants)
        if room.value.status is RoomStatus.IN_PROGRESS:
            tracks = await self._read_tracks(caller, sid, participants, parts)
        state = RoomState.from_snapshot(room.value, zip(participants, tracks, strict=True))
        is_stale = any(part.freshness.is_stale for part in parts)
        view = _View(state, replace(room.freshness, is_stale=is_stale), cursor)
        return await self._catch_up(caller, sid, view, self._earliest(parts))

    async def _read_participants(
        self, caller: Caller, sid: RoomSid, parts: list[ReadResult[Any]]
    ) -> list[Participant]:
        """The participants in the room, or all that it had if it has ended. Adds what
        was read to `parts`."""
        participants: list[Participant] = []
        after = None
        for _ in range(PARTICIPANT_PAGES):
            page = await self._participants.page(
                caller, RoomRef(sid, None), ParticipantFilter(), PAGE_LIMIT, after
            )
            parts.append(page)
            participants += [participant for _, participant in page.value.items]
            after = page.value.end_cursor
            if not page.value.has_next_page:
                break
        return participants

    async def _read_tracks(
        self,
        caller: Caller,
        sid: RoomSid,
        participants: Sequence[Participant],
        parts: list[ReadResult[Any]],
    ) -> list[Sequence[PublishedTrack]]:
        """The tracks of each participant: one page, because Twilio allows no more than
        100. Adds what was read to `parts`."""
        room, tracks = RoomRef(sid, None), list[Sequence[PublishedTrack]]()
        for start in range(0, len(participants), CONCURRENT_TRACK_READS):
            outcomes = await gather_outcomes(
                self._participants.published_tracks(
                    caller, room, ParticipantRef(participant.sid, None), PAGE_LIMIT, None
                )
                for participant in participants[start : start + CONCURRENT_TRACK_READS]
            )
            for outcome in outcomes:
                if isinstance(outcome, NotFound):
                    tracks.append(())  # The participant has just left: the log has it.
                elif isinstance(outcome, GatewayError):
                    raise outcome
                else:
                    parts.append(outcome)
                    tracks.append([track for _, track in outcome.value.items])
        return tracks

    def _earliest(self, parts: Sequence[ReadResult[Any]]) -> str | None:
        """The cursor after which the log has every event that some part does not show;
        None for the log's beginning."""
        cursors = [part.as_of for part in parts if part.as_of is not None]
        return min(cursors, key=self._n) if len(cursors) == len(parts) else None

    async def _catch_up(
        self, caller: Caller, sid: RoomSid, view: _View, after: str | None
    ) -> _View:
        """The view after all that was logged since `after`. It shows no participant
        that came and left before the stream started."""
        room, has_next_page = RoomRef(sid, None), True
        while has_next_page:
            try:
                page = await self._timeline.page(caller, room, None, PAGE_LIMIT, after)
            except CursorExpired:
                # Events from before the snapshot change nothing, so the rest of the log
                # will do.
                after = None
                continue
            after, has_next_page = page.end_cursor, page.has_next_page
            cursor = max(view.cursor, after or view.cursor, key=self._n)
            view = view.after((event for _, event in page.items), cursor)
        return view

    def _n(self, cursor: str) -> int:
        return self._cursor_codec.log_position(cursor).n


def _unencoded(message: StreamMessage) -> StreamMessage:
    return message
