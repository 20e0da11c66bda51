"""Changes things at Twilio.

A mutation runs to its end even if its caller leaves. It is in the event log before the
caller gets its result.
"""

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog

from gateway.core.errors import DeadlineExceeded, OutcomeUnknown, UpstreamUnavailable
from gateway.core.event_objects import with_room_told_by
from gateway.core.events import RoomChangeKind, RoomEvent, RoomEventSource, RoomEventType
from gateway.core.participants import Participant
from gateway.core.rooms import AccountSid, Room, RoomSid
from gateway.core.transcriptions import Transcription
from gateway.service.flights import deadlines
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.log.room_memory import RoomMemory
from gateway.service.upstream.upstream import Upstream
from gateway.store.cache import CacheEntry
from gateway.store.eventlog import Appended, EventLog, readable
from gateway.twilio.wire.exchange import WireRequest

log = structlog.get_logger()
T = TypeVar("T")

# After these errors Twilio may have made the change, unless the request was not sent.
_MAY_BE_DONE: Final = (UpstreamUnavailable, DeadlineExceeded, OutcomeUnknown)


@dataclass(frozen=True, slots=True)
class WriteTimings:
    """How long mutations wait, in seconds."""

    grace_s: float = 5.0
    """How long a shutdown waits for mutations in flight. It is longer than Twilio
    takes, and shorter than the 10 s of the whole shutdown."""
    first_poll_s: float = 0.02
    last_poll_s: float = 0.25
    """Between two looks at a create that another caller with the same idempotency key
    has started. The pause doubles from the first value to the last one."""
    first_search_s: float = 0.1
    last_search_s: float = 1.0
    """Between two searches for a room whose name is taken, while Twilio's list does not
    show it. The pause doubles likewise. Twilio's list lags by some seconds at most."""


class Mutations:
    """Sends one account's mutations to Twilio and logs them."""

    def __init__(
        self,
        upstream: Upstream,
        events: EventLog,
        room_memory: RoomMemory,
        account_sid: AccountSid,
        timings: WriteTimings,
    ) -> None:
        self._upstream = upstream
        self._events = events
        self._room_memory = room_memory
        self._account_sid = account_sid
        self._timings = timings
        self._running = SingleFlight[Any]()

    async def execute(
        self,
        request: WireRequest[T],
        room_sid: RoomSid,
        change: RoomChangeKind,
        **parts: str,
    ) -> T:
        """Does what `apply` does, to the end even if the caller leaves. Raises what
        `apply` and `run_to_end` raise."""
        return await self.run_to_end(lambda: self.apply(request, room_sid, change, **parts))

    async def apply(
        self,
        request: WireRequest[T],
        room_sid: RoomSid,
        change: RoomChangeKind,
        **parts: str,
    ) -> T:
        """Sends the request, logs the change and returns Twilio's response.

        `parts` are the fields of the log entry that say what is changed.

        A later read shows the change. After an error that leaves the outcome open, a
        later read asks Twilio. Call it within `run_to_end`. Raises what `Upstream.send`
        raises.
        """
        event = self.new_event(room_sid, change, **parts)
        response = await self.send(request, event)
        match response:
            case Participant():
                event = replace(event, participant=response)
            case Transcription():
                event = replace(event, changed_sid=response.ttid)
        await self.record(event)
        return response

    def new_event(self, room_sid: RoomSid, change: RoomChangeKind, **parts: Any) -> RoomEvent:
        """Returns the log entry of a mutation that is made now."""
        return RoomEvent(
            type=RoomEventType.ROOM_CHANGED,
            account_sid=self._account_sid,
            room_sid=room_sid,
            event_time=datetime.now(UTC),
            source=RoomEventSource.MUTATION,
            change=change,
            **parts,
        )

    def room_event(self, room: Room, *, is_creation: bool = False) -> RoomEvent:
        """Returns the log entry of a room that this gateway changed or created now."""
        event = self.new_event(
            room.sid,
            RoomChangeKind.ROOM,
            room_name=room.unique_name,
            room_status=room.status,
            room_type=room.type,
            room=room,
        )
        if not is_creation:
            return event
        at = room.create_time or event.event_time
        return replace(event, type=RoomEventType.ROOM_CREATED, event_time=at, change=None)

    async def send(self, request: WireRequest[T], event: RoomEvent) -> T:
        """Sends the request and returns Twilio's response. The caller records it.

        If Twilio may have made the change nevertheless, logs `event` before it raises:
        the next read must not be answered from the cache.
        """
        try:
            return await self._upstream.send(request)
        except _MAY_BE_DONE as exc:
            if not exc.is_unsent:
                await self.record(event)
            raise

    async def run_to_end(self, call: Callable[[], Awaitable[T]]) -> T:
        """Runs the call to its end even if the caller leaves, and returns its result.

        After the caller's deadline the call sends no new request. Raises OutcomeUnknown
        when the deadline expires while a request is in flight.
        """
        left_s = deadlines.left_s() + deadlines.ANSWER_S / 2
        try:
            async with asyncio.timeout(None if left_s == math.inf else left_s) as timeout:
                result: T = await self._running.finish(call)
                return result
        except TimeoutError:
            if not timeout.expired():
                raise
            raise OutcomeUnknown(
                "Twilio did not respond within the deadline: "
                "check whether the change was made before you try again"
            ) from None

    async def record(
        self,
        event: RoomEvent,
        room: CacheEntry[Room] | None = None,
        *,
        dedupe: str | None = None,
    ) -> Appended | None:
        """Logs a change that Twilio made, and makes it visible in this process at once.

        `dedupe` is the same for all events that report the same change. Returns None if
        the log cannot be written. That is no error for the caller, because the change
        was made.
        """
        try:
            if event.room is None and event.room_type is None:
                event = await self._with_room_told_by_log(event)
            appended = await self._events.append(event, dedupe or uuid.uuid4().hex, room=room)
        except UpstreamUnavailable as exc:
            log.error("mutation.unrecorded", room_sid=event.room_sid, reason=exc.message)
            self._room_memory.apply_unlogged(event)
            return None
        self._room_memory.apply(event, appended.position.n)
        return appended

    async def _with_room_told_by_log(self, event: RoomEvent) -> RoomEvent:
        """Returns the event with the name, type and status of its room, if the log has
        another event of the room."""
        # Without an answer the event is logged as it is: the change was made.
        with suppress(UpstreamUnavailable):
            for entry in readable(await self._events.read_last(1, event.room_sid)):
                return with_room_told_by(event, entry.event)
        return event

    async def aclose(self) -> None:
        """Waits for the mutations in flight, and cancels those that take too long."""
        await self._running.aclose(grace_s=self._timings.grace_s)
