"""How long cached values live, and which values an event makes outdated.

Does no I/O. Time is an argument, in seconds.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, StrEnum
from typing import Final, Generic, TypeVar

from gateway.core.events import RoomChangeKind, RoomEvent, RoomEventType
from gateway.core.rooms import Room

T = TypeVar("T")


class Fence(StrEnum):
    """A group of values that the same events make outdated.

    For each room and fence, Redis holds the version: the log number of the newest event
    that touched the fence. A value that was fetched before that event is outdated.
    """

    ROOM = "room"
    """The room itself."""
    PARTICIPANTS = "people"
    """Its participants, their tracks and their subscribe rules."""
    MEDIA = "media"
    """Its recordings, recording rules and transcriptions."""


def fences_of(event: RoomEvent) -> tuple[Fence, ...]:
    """Returns the fences that an event touches.

    The end of a room also ends the stays of its participants and its recordings.
    """
    if event.change is not None:
        return _CHANGED[event.change]
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
            return (Fence.PARTICIPANTS,)
        case (
            RoomEventType.RECORDING_STARTED
            | RoomEventType.RECORDING_COMPLETED
            | RoomEventType.RECORDING_FAILED
        ):
            return (Fence.MEDIA,)


_CHANGED: Final = {
    RoomChangeKind.ROOM: tuple(Fence),
    RoomChangeKind.PARTICIPANT: (Fence.PARTICIPANTS,),
    RoomChangeKind.SUBSCRIBE_RULES: (Fence.PARTICIPANTS,),
    RoomChangeKind.RECORDING_RULES: (Fence.MEDIA,),
    RoomChangeKind.RECORDING: (Fence.MEDIA,),
    RoomChangeKind.TRANSCRIPTION: (Fence.MEDIA,),
}


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Until which age a value may be used. Every age is in seconds since its fetch.

    Until `fresh_until_s` the value is served as it is. From then until
    `refresh_until_s` it is served while it is fetched again in the background. From
    then until `stand_in_until_s` it is served only when Twilio does not answer, and is
    flagged as stale.
    """

    fresh_until_s: float
    refresh_until_s: float
    stand_in_until_s: float


# All lifetimes, but for the exceptions SETTLING and ENDING_S below. Events make most
# values outdated long before: the seconds bound how long a lost callback misleads.
LIVE_ROOM_LIFETIME = Lifetime(fresh_until_s=5, refresh_until_s=35, stand_in_until_s=900)
"""A room in progress."""
ENDED_ROOM_LIFETIME = Lifetime(
    fresh_until_s=86_400, refresh_until_s=86_400, stand_in_until_s=86_400
)
"""A room in a final status, which does not change any more.
https://www.twilio.com/docs/video/api/rooms-resource"""
ROOM_LIST_LIFETIME = Lifetime(fresh_until_s=1, refresh_until_s=6, stand_in_until_s=900)
"""A page of the account's rooms."""
PARTICIPANTS_LIFETIME = Lifetime(fresh_until_s=5, refresh_until_s=20, stand_in_until_s=900)
"""Participants, their tracks and subscribe rules, one by one and as lists."""
MEDIA_LIFETIME = Lifetime(fresh_until_s=30, refresh_until_s=90, stand_in_until_s=600)
"""Recordings, their rules and transcriptions. They change for minutes after a room's
end."""
UNFINISHED_SUMMARY_LIFETIME = Lifetime(
    fresh_until_s=60, refresh_until_s=60, stand_in_until_s=86_400
)
"""An Insights summary that Twilio still works on, and every list of summaries."""
SUMMARY_LIFETIME = Lifetime(fresh_until_s=86_400, refresh_until_s=86_400, stand_in_until_s=86_400)
"""A complete Insights summary."""

# How long "not found" is remembered, by SID and by name, and a name's room.
MISSING_SID_S = 1.0
MISSING_NAME_S = 0.5
NAME_S = 2.0
MISSING_SID_LIFETIME = Lifetime(MISSING_SID_S, MISSING_SID_S, MISSING_SID_S)
MISSING_NAME_LIFETIME = Lifetime(MISSING_NAME_S, MISSING_NAME_S, MISSING_NAME_S)

# For this long after a room's end, Twilio may still correct its duration and end_time.
# A room that was fetched sooner is fetched once more.
ENDING_S = 30.0

# Twilio's REST API lags its own callbacks: a value that was fetched this soon after an
# event may not show it. https://github.com/twilio/twilio-node/issues/593
SETTLING_S = 3.0
SETTLING = Lifetime(fresh_until_s=1, refresh_until_s=1, stand_in_until_s=900)
"""The upper bound of a value's lifetime when it was fetched within SETTLING_S."""


class CacheState(Enum):
    """What a value may be used for, by its age. See `Lifetime`."""

    FRESH = "fresh"
    """Served as it is."""
    REFRESHING = "refreshing"
    """Served while it is fetched again in the background."""
    STAND_IN = "stand-in"
    """Served, flagged as stale, only when Twilio does not answer."""
    EXPIRED = "expired"
    """Not served."""


def room_lifetime(room: Room, fetched_at: float) -> Lifetime:
    """Returns the lifetime of a room. `fetched_at` is in seconds since 1970."""
    if not room.status.is_final:
        return LIVE_ROOM_LIFETIME
    if room.end_time is None or fetched_at >= (final_at := room.end_time.timestamp() + ENDING_S):
        return ENDED_ROOM_LIFETIME
    return replace(ENDED_ROOM_LIFETIME, fresh_until_s=final_at - fetched_at)


def while_settling(lifetime: Lifetime) -> Lifetime:
    """Returns the lifetime of a value that was fetched within SETTLING_S of an event
    about it.

    The value expires no later than with its own lifetime. A value that is fresh for no
    longer than SETTLING anyway keeps its lifetime, so that it may be refreshed in the
    background.
    """
    if lifetime.fresh_until_s <= SETTLING.fresh_until_s:
        return lifetime
    stand_in_until_s = min(lifetime.stand_in_until_s, SETTLING.stand_in_until_s)
    return replace(SETTLING, stand_in_until_s=stand_in_until_s)


def cache_state(lifetime: Lifetime, age_s: float) -> CacheState:
    """Returns what a value of this age may be used for."""
    if age_s < lifetime.fresh_until_s:
        return CacheState.FRESH
    if age_s < lifetime.refresh_until_s:
        return CacheState.REFRESHING
    if age_s < lifetime.stand_in_until_s:
        return CacheState.STAND_IN
    return CacheState.EXPIRED


# How long a request to Twilio takes on a slow day, with the wait for its permit.
FETCH_S = 0.2


def is_early_refresh_due(lifetime: Lifetime, age_s: float, rand: float) -> bool:
    """Whether one of many readers should refresh a fresh value, so that it never
    becomes stale under load.

    `rand` is a random number from 0 to 1. The probability is 1 at the end of the fresh
    time, and a third of that for each FETCH_S before it.

    Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention,
    VLDB 2015.
    """
    return age_s - FETCH_S * math.log(max(rand, 1e-9)) >= lifetime.fresh_until_s


class FreshnessSource(StrEnum):
    """How the gateway learns of changes."""

    CALLBACKS = "callbacks"
    """The room reports to this gateway, so changes are seen when they happen."""
    POLLED = "polled"
    """Another system created the room without our callback, so changes are seen when
    the cached value expires."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh a value is, and where it came from."""

    fetch_time: datetime
    is_stale: bool
    """Whether a newer value was wanted and could not be had."""
    source: FreshnessSource


@dataclass(frozen=True, slots=True)
class ReadResult(Generic[T]):
    """A value with its freshness.

    A stream that starts at the cursor `as_of` misses no change that the value does not
    show. None means that the log has not been read yet.
    """

    value: T
    freshness: Freshness
    as_of: str | None
