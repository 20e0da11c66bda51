"""How long answers live, and which answers an event makes old. Does no I/O; time is an argument, in seconds."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, StrEnum
from typing import Final, Generic, TypeVar

from gateway.core.events import Changed, RoomEvent, RoomEventType
from gateway.core.rooms import Room

T = TypeVar("T")


class Fence(StrEnum):
    """What a cached value depends on: the number of the last event that changed it is kept under this word."""

    ROOM = "room"
    PEOPLE = "people"
    MEDIA = "media"


def fences_of(event: RoomEvent) -> tuple[Fence, ...]:
    """What an event makes old. A room's end also ends the stay of everybody in it, and what is recorded of them."""
    if event.changed is not None:
        return _CHANGED[event.changed]
    match event.type:
        case RoomEventType.ROOM_CREATED | RoomEventType.ROOM_CHANGED:
            return (Fence.ROOM,)
        case RoomEventType.ROOM_ENDED:
            return tuple(Fence)
        case (
            RoomEventType.PARTICIPANT_CONNECTED
            | RoomEventType.PARTICIPANT_DISCONNECTED
            | RoomEventType.TRACK_ADDED
            | RoomEventType.TRACK_REMOVED
            | RoomEventType.TRACK_ENABLED
            | RoomEventType.TRACK_DISABLED
        ):
            return (Fence.PEOPLE,)
        case (
            RoomEventType.RECORDING_STARTED
            | RoomEventType.RECORDING_COMPLETED
            | RoomEventType.RECORDING_FAILED
        ):
            return (Fence.MEDIA,)


_CHANGED: Final = {
    Changed.ROOM: tuple(Fence),
    Changed.PARTICIPANT: (Fence.PEOPLE,),
    Changed.SUBSCRIBE_RULES: (Fence.PEOPLE,),
    Changed.RECORDING_RULES: (Fence.MEDIA,),
    Changed.RECORDING: (Fence.MEDIA,),
    Changed.TRANSCRIPTION: (Fence.MEDIA,),
}


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Fresh: served as it is. Then stale: served, and fetched anew behind the answer. Then kept for errors: served,
    flagged, only when Twilio gives no answer. Each counts from the fetch."""

    fresh_s: float
    stale_s: float
    error_s: float


# A callback drops a live room's entry at once, so these seconds only bound how long a lost callback can mislead us.
LIVE_ROOM = Lifetime(fresh_s=5, stale_s=35, error_s=900)
# A room's only change is its end. https://www.twilio.com/docs/video/api/rooms-resource
ENDED_ROOM = Lifetime(fresh_s=86_400, stale_s=86_400, error_s=86_400)
LIST = Lifetime(fresh_s=1, stale_s=6, error_s=900)
PEOPLE = Lifetime(fresh_s=5, stale_s=20, error_s=900)
"""Participants, their tracks and rules, while the room lives: events drop them at once."""
MEDIA = Lifetime(fresh_s=30, stale_s=90, error_s=600)
"""Recordings, their rules, transcriptions: they change for minutes after a room's end."""
SUMMARY_IN_PROGRESS = Lifetime(fresh_s=60, stale_s=60, error_s=86_400)
SUMMARY = Lifetime(fresh_s=86_400, stale_s=86_400, error_s=86_400)
"""Insights, while Twilio still works on a summary and when it is complete."""
# After a room's end Twilio may still set its duration and end_time right: what was fetched sooner is fetched once more.
ENDING_S = 30.0
MISSING_SID_S = 1.0
MISSING_NAME_S = 0.5
NAME_S = 2.0

# Twilio's REST has been seen to lag its own callbacks (twilio/twilio-node#593): what was fetched this soon after an event
# may still show what was before it.
SETTLING_S = 3.0
SETTLING = Lifetime(fresh_s=1, stale_s=1, error_s=900)


class CacheState(Enum):
    FRESH = "fresh"
    STALE = "stale"
    ON_ERROR = "on error"
    GONE = "gone"


def lifetime_of(room: Room, fetched_at: float, *, settled: bool) -> Lifetime:
    """`settled` is False when the room was fetched within SETTLING_S of the last event that it depends on. `fetched_at`:
    seconds since 1970."""
    if not settled:
        return SETTLING
    if not room.status.is_final:
        return LIVE_ROOM
    if room.end_time is None or fetched_at >= (done_at := room.end_time.timestamp() + ENDING_S):
        return ENDED_ROOM
    return replace(ENDED_ROOM, fresh_s=done_at - fetched_at)


def cache_state(lifetime: Lifetime, age_s: float) -> CacheState:
    if age_s < lifetime.fresh_s:
        return CacheState.FRESH
    if age_s < lifetime.stale_s:
        return CacheState.STALE
    if age_s < lifetime.error_s:
        return CacheState.ON_ERROR
    return CacheState.GONE


# What a call to Twilio takes with its turn, on a slow day.
FETCH_S = 0.2


def is_early_refresh_due(lifetime: Lifetime, age_s: float, dice: float) -> bool:
    """Whether one of many who ask should fetch a fresh answer anew, so that it never becomes stale under a crowd. `dice`: any
    number from 0 to 1. The likelihood is 1 at the end, and falls to a third with each FETCH_S before it.

    Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015.
    """
    return age_s - FETCH_S * math.log(max(dice, 1e-9)) >= lifetime.fresh_s


class FreshnessSource(StrEnum):
    """How a room's answers are kept true."""

    CALLBACKS = "callbacks"
    """The room reports to this gateway: a change is seen when it happens."""
    POLLED = "polled"
    """The room was made elsewhere without our callback: its answers are as old as the cache allows."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """When and how an answer was come by."""

    fetched_at: datetime
    is_stale: bool
    source: FreshnessSource


@dataclass(frozen=True, slots=True)
class ReadResult(Generic[T]):
    """What the service gives out, and how good it is. Watching from the cursor `as_of` misses nothing that it does not
    show."""

    value: T
    freshness: Freshness
    as_of: str | None
