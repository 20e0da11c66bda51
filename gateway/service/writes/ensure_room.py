"""Finds the room in progress with a name, or creates it.

Callers that race get one room, on one replica or on several. In a process they share
one flight, and a lease lets one replica at a time ask Twilio. So any number of callers
cost two requests to Twilio at most, a look-up and a create, unless a request fails or
the replica that holds the lease dies. The result does not depend on the lease: Twilio
lets one room in progress have a name.

A room of another backend does not report its end here. Each call looks it up, because
nothing proves that a cached one is current.
"""

import asyncio
import hashlib
import time
from dataclasses import dataclass

import msgspec

from gateway.core.errors import (
    AlreadyExists,
    DeadlineExceeded,
    InvalidArgument,
    OutcomeUnknown,
    UpstreamUnavailable,
)
from gateway.core.rooms import NewRoom, Room
from gateway.service.cache.fetch_lease import MISS, FetchLease, Miss
from gateway.service.cache.read_through import Found
from gateway.service.cache.rooms import RoomReads
from gateway.service.flights import deadlines
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.log.room_memory import RoomMemory
from gateway.service.writes.create_room import Creation, RoomCreation, has_mark
from gateway.service.writes.mutations import Mutations, WriteTimings


@dataclass(slots=True)
class _Shared:
    """What one flight found. One of its callers created the room, if it was created."""

    found: Found[Room]
    is_new: bool = False

    def take(self) -> Creation:
        creation = Creation(self.found, is_new=self.is_new)
        self.is_new = False
        return creation


class RoomEnsurer:
    """Finds or creates one account's rooms."""

    def __init__(
        self,
        creation: RoomCreation,
        mutations: Mutations,
        reads: RoomReads,
        room_memory: RoomMemory,
        fetch_lease: FetchLease,
        timings: WriteTimings,
    ) -> None:
        self._creation = creation
        self._mutations = mutations
        self._reads = reads
        self._room_memory = room_memory
        self._fetch_lease = fetch_lease
        self._timings = timings
        self._flights = SingleFlight[_Shared]()

    async def aclose(self) -> None:
        """Cancels all look-ups. A create that was sent is finished by `Mutations`."""
        await self._flights.aclose()

    async def ensure(self, new: NewRoom) -> Creation:
        """Returns the room in progress with the name of `new`, or creates it. The other
        parameters apply only to a new room.

        For each room, `is_new` is True for at most one caller of all replicas. It is
        True for none if the replica that created the room dies before it answers. A
        room that ends meanwhile is not returned. The call may be repeated after every
        error. Raises DeadlineExceeded if the deadline passes first, and what
        `Upstream.send` raises.
        """
        name, since = checked_unique_name(new), time.time()
        body = hashlib.blake2b(msgspec.json.encode(new), digest_size=16).hexdigest()
        while True:
            # A caller that an event has woken up does not join a flight from before it.
            # Parameters that Twilio refuses must not fail the callers with others.
            key = (name, body, self._room_memory.newest_name_n(name))
            shared = await self._flights.share(key, lambda: self._find_or_create(new, since))
            room = shared.found.value
            if not room.status.is_final and room.sid not in self._room_memory.ends([room.sid]):
                return shared.take()

    async def _find_or_create(self, new: NewRoom, since: float) -> _Shared:
        name = checked_unique_name(new)

        async def look_up() -> _Shared | Miss:
            found = await self._reads.look_up_current(name, since)
            return MISS if found is MISS else _Shared(found)

        known = await look_up()
        if known is not MISS:
            return known
        digest = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
        return await self._fetch_lease.once(
            f"ensure:{digest}", look_up, lambda: self._ask_twilio(new), is_urgent=True
        )

    async def _ask_twilio(self, new: NewRoom) -> _Shared:
        """Looks the name up at Twilio, and creates the room if there is none.

        Twilio may refuse the create because the name is taken by a room that its list
        does not show yet. Then looks again, until the deadline.
        """
        name, status_callback = checked_unique_name(new), self._creation.new_status_callback()
        pause_s = 0.0
        while True:
            found = await self._reads.fetch_by_name(name)
            if found is not None:
                return _Shared(found)
            try:
                room = await self._mutations.run_to_end(
                    lambda: self._creation.send(new, status_callback)
                )
                return _Shared(room, is_new=True)
            except OutcomeUnknown as error:
                return await self._find_after_lost_response(name, status_callback, error)
            except AlreadyExists as error:
                if deadlines.left_s() <= pause_s:
                    raise DeadlineExceeded(
                        "a room in progress has this `unique_name`, and Twilio does not show it "
                        "yet: try again"
                    ) from error
            await asyncio.sleep(pause_s)
            pause_s = min(
                max(self._timings.first_search_s, 2 * pause_s), self._timings.last_search_s
            )

    async def _find_after_lost_response(
        self, name: str, status_callback: str, error: OutcomeUnknown
    ) -> _Shared:
        """Does not send the create again: while Twilio fails, retries of ours would add
        to its load. The caller may repeat its call."""
        found = await self._reads.fetch_by_name(name) if deadlines.left_s() > 0 else None
        if found is None:
            raise UpstreamUnavailable(
                "Twilio's response to the create was lost, and no room has the name yet: try again",
                retry_after_ms=1000,
                twilio=error.twilio,
            ) from error
        if not has_mark(found.value, status_callback):
            return _Shared(found)
        return _Shared(await self._creation.record(found.value), is_new=True)


def checked_unique_name(new: NewRoom) -> str:
    """Returns the name of the room. Raises InvalidArgument without one."""
    if new.unique_name is None:
        raise InvalidArgument.at("unique_name", "is missing: give the name of the room")
    return new.unique_name
