"""Changing things at Twilio: under the write quota, to the end whoever leaves, and logged before the caller hears of it."""

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog

from gateway.core.errors import DeadlineExceeded, OutcomeUnknown, UpstreamUnavailable
from gateway.core.events import Changed, EventSource, RoomEvent, RoomEventType
from gateway.core.participants import Participant
from gateway.core.rooms import AccountSid, Room, RoomSid
from gateway.core.sids import RecordingSid
from gateway.service.flights import deadlines
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.log.room_memory import RoomMemory
from gateway.service.upstream.upstream import Upstream
from gateway.store.cache import CacheEntry
from gateway.store.eventlog import Appended, EventLog
from gateway.twilio.wire.exchange import WireRequest

log = structlog.get_logger()
T = TypeVar("T")

# How long a stop waits for mutations: less than a stop may take in all (10 s), more than Twilio takes.
GRACE_S = 5.0
# After these nobody can tell whether Twilio has done it.
DOUBTFUL = (UpstreamUnavailable, DeadlineExceeded, OutcomeUnknown)


class Mutations:
    def __init__(
        self, upstream: Upstream, events: EventLog, memory: RoomMemory, account_sid: AccountSid
    ) -> None:
        self._upstream = upstream
        self._events = events
        self._memory = memory
        self._account_sid = account_sid
        self._flights = SingleFlight[Any]()

    async def make(
        self,
        request: WireRequest[T],
        room_sid: RoomSid,
        changed: Changed,
        recording_sid: RecordingSid | None = None,
    ) -> T:
        """Twilio's answer. Once begun the change is finished and recorded, even if the caller leaves; a read after this
        shows it, also a read after an error that leaves open whether it was done."""

        event = self.event(room_sid, changed, recording_sid=recording_sid)

        async def to_the_end() -> T:
            answer = await self.send(request, event)
            await self.record(
                replace(event, participant=answer if isinstance(answer, Participant) else None)
            )
            return answer

        return await self.finish(to_the_end)

    def event(self, room_sid: RoomSid, changed: Changed, **parts: Any) -> RoomEvent:
        """What is logged of a change of ours."""
        return RoomEvent(
            type=RoomEventType.ROOM_CHANGED,
            account_sid=self._account_sid,
            room_sid=room_sid,
            at=datetime.now(UTC),
            source=EventSource.MUTATION,
            changed=changed,
            **parts,
        )

    async def send(self, request: WireRequest[T], in_doubt: RoomEvent) -> T:
        """Twilio's answer. Logs `in_doubt` when it stays open whether it was done: who looks must not be shown what was known
        before."""
        try:
            return await self._upstream.send(request)
        except DOUBTFUL as exc:
            if not exc.is_unsent:
                await self.record(in_doubt)
            raise

    async def finish(self, call: Callable[[], Awaitable[T]]) -> T:
        """Runs the call to its end even when the caller leaves; but what is not at Twilio by then is not sent any more. Raises
        OutcomeUnknown when it is, and the caller's time is up."""
        left_s = deadlines.left_s() + deadlines.ANSWER_S / 2
        try:
            async with asyncio.timeout(None if left_s == math.inf else left_s) as limit:
                answer: T = await self._flights.finish(call)
                return answer
        except TimeoutError:
            if not limit.expired():
                raise
            raise OutcomeUnknown(
                "Twilio has not answered in the time given; look whether it was done before trying again"
            ) from None

    async def record(
        self, event: RoomEvent, room: CacheEntry[Room] | None = None
    ) -> Appended | None:
        """Logs our own change with Twilio's answer, and lets this process see it at once.

        None when the log cannot be written: Twilio has done it, and an error would tell the caller otherwise.
        """
        try:
            appended = await self._events.append(event, uuid.uuid4().hex, room=room)
        except UpstreamUnavailable as exc:
            log.error("mutation.unrecorded", room_sid=event.room_sid, reason=exc.message)
            self._memory.apply_unlogged(event)
            return None
        self._memory.apply(event, appended.position.n)
        return appended

    async def aclose(self) -> None:
        """A mutation may be at Twilio already: it is given time to be finished and recorded."""
        await self._flights.aclose(grace_s=GRACE_S)
