"""Live views: a snapshot of a room, and what the log tells of it since, folded into it.

A view costs Twilio one reading of the room when it begins, shared with every other reader by the cache. After that it follows
the log: no event costs a call.
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
from gateway.core.errors import CursorExpired, GatewayError, NotFound
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

# Up to 1,000 stays. A room in progress has 50 people at the most, and of one that is over nothing changes any more.
# https://www.twilio.com/docs/video/programmable-video-limits
PAGES = 10
# So many people's tracks are asked for at the same time: the read quota is everybody's.
AT_ONCE = 10
# Of each room that is watched: for watchers who are so many events apart, and whose snapshots differ in so many ways.
FOLDS = 32
VARIANTS = 4


@dataclass(frozen=True, slots=True)
class _View:
    """`cursor`: up to here, everything is folded in."""

    folded: RoomState
    freshness: Freshness
    cursor: str

    def after(self, events: Iterable[RoomEvent], cursor: str) -> "_View":
        return replace(self, folded=self.folded.after(*events).bounded(), cursor=cursor)


class _Folds:
    """What the last events of a room made of what was known before: folded by the first watcher who hears of one, and taken
    over by the others who knew the same. Lives as long as somebody watches the room."""

    def __init__(self) -> None:
        self._folds = LruCache[str, list[tuple[RoomState, RoomState]]](max_entries=FOLDS)

    def after(self, before: RoomState, message: Delivered) -> RoomState:
        known = self._folds.peek(message.cursor)
        if known is None:
            self._folds.put(message.cursor, known := [])
        for start, end in known:
            if start is before or start == before:
                return end
        after = before.after(message.event).bounded()
        if len(known) < VARIANTS:
            known.append((before, after))
        return after


class LiveViews:
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
        self._timings = timings
        self._tail = tail
        self._cursor_codec = cursor_codec
        self._watched: WeakValueDictionary[RoomSid, _Folds] = WeakValueDictionary()

    async def watch(
        self, caller: Caller, ref: RoomRef
    ) -> AsyncGenerator[ReadResult[LiveRoom], None]:
        """The room with its people, now and after each change. `as_of` is the cursor of the last event folded in.

        A name is resolved once: the view stays with its room, whoever takes the name later. Raises on the first step:
        NotFound (no such room, or none in progress of that name), PermissionDenied, and what a read raises. Ends only when
        the gateway stops.
        """
        caller.require(Scope.EVENTS_SUBSCRIBE)
        sid = await self._rooms.locate(caller, ref, Scope.ROOMS_READ)
        folds = self._watched.setdefault(sid, _Folds())
        subscription = EventSubscription(EventFilter(RoomRef(sid, None)), None, _unencoded)
        async with aclosing(self._feed.subscribe(caller, subscription)) as messages:
            started = await anext(messages)
            view = await self._read(caller, sid, started.cursor)
            shown = view.folded.live
            yield ReadResult(shown, view.freshness, view.cursor)
            async for message in messages:
                match message:
                    case Delivered():
                        view = replace(
                            view, folded=folds.after(view.folded, message), cursor=message.cursor
                        )
                    case ResyncRequired() | Gap():
                        view = await self._read_anew(caller, sid, message.cursor, view)
                    case StreamStarted() | Bookmark():
                        pass
                now = view.folded.live
                if now != shown:
                    shown = now
                    yield ReadResult(shown, view.freshness, view.cursor)

    def participants(
        self, live: LiveRoom, wanted: ParticipantFilter, first: int, after: str | None
    ) -> Page[Stay]:
        """A page of a view's stays, with opaque cursors. Raises InvalidArgument for a cursor
        that is not one of this list."""
        return self._page(live.room.sid, after, lambda key: live.page(wanted, first, key))

    def tracks(self, stay: Stay, first: int, after: str | None) -> Page[PublishedTrack]:
        """A page of the tracks of a view's stay, like `participants`."""
        return self._page(stay.participant.sid, after, lambda key: stay.page(first, key))

    def _page(
        self, list_id: str, after: str | None, page_after: Callable[[str | None], Page[T]]
    ) -> Page[T]:
        codec = self._cursor_codec
        page = page_after(None if after is None else codec.live_key(list_id, after))
        items = tuple((codec.live_cursor(list_id, key), item) for key, item in page.items)
        return Page(items, items[-1][0] if items else None, page.has_next_page)

    async def _read_anew(self, caller: Caller, sid: RoomSid, cursor: str, before: _View) -> _View:
        """The view without what may have been lost; as it was before, when the gateway stops first."""
        while not self._tail.is_closed:
            try:
                view = await self._read(caller, sid, cursor)
            except NO_ANSWER as exc:
                log.warning("live.unread", room_sid=sid, reason=exc.message)
                await asyncio.sleep(self._timings.reread_s)
            else:
                return replace(view, folded=view.folded.ending_as(before.folded))
        return before

    async def _read(self, caller: Caller, sid: RoomSid, cursor: str) -> _View:
        """The snapshot, and all that was logged since it was taken. `cursor`: from here on, the caller misses nothing."""
        room = await self._rooms.room(caller, RoomRef(sid, None))
        if room is None:
            raise NotFound("no such room; give the SID of a room, or the name of one in progress")
        parts: list[ReadResult[Any]] = [room]
        try:
            people = await self._people(caller, sid, parts)
        except NotFound:
            # Twilio does not show the room here yet: the log has whoever came so far.
            # https://github.com/twilio/twilio-node/issues/593
            people, parts = [], [replace(room, as_of=None)]
        is_live = room.value.status is RoomStatus.IN_PROGRESS
        tracks = await self._tracks(caller, sid, people, parts) if is_live else [()] * len(people)
        folded = RoomState.of(room.value, zip(people, tracks, strict=True))
        is_stale = any(part.freshness.is_stale for part in parts)
        freshness = replace(room.freshness, is_stale=is_stale)
        return await self._caught_up(
            caller, sid, _View(folded, freshness, cursor), self._earliest(parts)
        )

    async def _people(
        self, caller: Caller, sid: RoomSid, parts: list[ReadResult[Any]]
    ) -> list[Participant]:
        """Those who are in the room, or once it is over those who were."""
        people: list[Participant] = []
        after = None
        for _ in range(PAGES):
            seen = await self._participants.page(
                caller, RoomRef(sid, None), ParticipantFilter(), PAGE_LIMIT, after
            )
            parts.append(seen)
            people += [who for _, who in seen.value.items]
            after = seen.value.end_cursor
            if not seen.value.has_next_page:
                break
        return people

    async def _tracks(
        self,
        caller: Caller,
        sid: RoomSid,
        people: Sequence[Participant],
        parts: list[ReadResult[Any]],
    ) -> list[Sequence[PublishedTrack]]:
        """Of each of them: a hundred at the most, of which Twilio lets nobody publish more."""
        room, tracks = RoomRef(sid, None), list[Sequence[PublishedTrack]]()
        for start in range(0, len(people), AT_ONCE):
            asked = people[start : start + AT_ONCE]
            answers = await gather_outcomes(
                self._participants.published_tracks(
                    caller, room, ParticipantRef(who.sid, None), PAGE_LIMIT, None
                )
                for who in asked
            )
            for answer in answers:
                if isinstance(answer, NotFound):
                    tracks.append(())  # They left a moment ago: the log tells.
                elif isinstance(answer, GatewayError):
                    raise answer
                else:
                    parts.append(answer)
                    tracks.append([track for _, track in answer.value.items])
        return tracks

    def _earliest(self, parts: Sequence[ReadResult[Any]]) -> str | None:
        """From where watching misses nothing that any of them does not show; None for the log's beginning."""
        positions = [part.as_of for part in parts if part.as_of is not None]
        return min(positions, key=self._n) if len(positions) == len(parts) else None

    async def _caught_up(
        self, caller: Caller, sid: RoomSid, view: _View, after: str | None
    ) -> _View:
        """The view after all that was logged since `after`, so that nobody is shown who came and left before the watching
        began."""
        room, is_more = RoomRef(sid, None), True
        while is_more:
            try:
                page = await self._timeline.page(caller, room, None, PAGE_LIMIT, after)
            except CursorExpired:
                # What was logged before the snapshot changes nothing: what is left of the log is as good.
                after = None
                continue
            after, is_more = page.end_cursor, page.has_next_page
            cursor = max(view.cursor, after or view.cursor, key=self._n)
            view = view.after((event for _, event in page.items), cursor)
        return view

    def _n(self, cursor: str) -> int:
        return self._cursor_codec.log_position(cursor).n


def _unencoded(message: StreamMessage) -> StreamMessage:
    return message
