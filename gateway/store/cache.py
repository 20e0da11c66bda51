"""Rooms as Twilio last showed them, fenced by the log: an answer that an event has made old is never put back.

A kept value is `<seen> <is over> <JSON>`: scripts read the two words in front and leave the rest alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from gateway.core.caching import MISSING_NAME_S, MISSING_SID_S, NAME_S, Fence, lifetime_of
from gateway.core.cursors import LogPosition
from gateway.core.rooms import AccountSid, Ended, Room, RoomSid, RoomStatus
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys

_END: Final = ("status", "end_time", "duration")
PUT: Final = Script("head.lua", "put.lua")
_PUT_MISSING: Final = Script("put_missing.lua")
_PUT_NAME: Final = Script("put_name.lua")


class Missing(Enum):
    """The answer "there is none", as against None, "not known here"."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class CachedRoom:
    """`seen_n` is the log's n before the fetch began. Watching from `as_of` misses nothing that the room does not show.
    `settled` is False when it was fetched so soon after an event that it may still be the room before it."""

    room: Room
    fetched_at: float
    """Seconds since 1970."""
    seen_n: int
    as_of: LogPosition | None
    settled: bool


@dataclass(frozen=True, slots=True)
class Cached:
    """What is known of one SID. `head_n` and `epoch` say where the log is: the `seen_n` of a fetch that begins now.

    `is_outdated`: an event has changed the room since `value` was fetched; it may only be shown, flagged, when Twilio
    gives no answer. `is_missing`: Twilio knew no such room a moment ago. Whatever is shown is merged with `ended` first.
    """

    value: CachedRoom | None
    is_missing: bool
    version_n: int
    ended: Ended | None
    head_n: int
    epoch: str

    @property
    def is_outdated(self) -> bool:
        return self.value is not None and self.value.seen_n < self.version_n


@dataclass(frozen=True, slots=True)
class Put:
    """`ended` and `version_n` are what was known when the value was offered, kept or not."""

    is_kept: bool
    ended: Ended | None
    version_n: int


_room_decoder: Final = msgspec.json.Decoder(CachedRoom | None)


def encode_room(cached: CachedRoom) -> bytes:
    return msgspec.json.encode(cached)


def lifetime_ms(cached: CachedRoom) -> int:
    return round(lifetime_of(cached.room, cached.fetched_at, settled=cached.settled).error_s * 1000)


class RoomCache:
    """One account's rooms, names and ends. Every method is one round trip and raises UpstreamUnavailable."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def get(self, sid: RoomSid) -> Cached:
        # In this order no append in between can make an old value look current.
        kept, version, end, head = await self._connections.read(
            ("GET", self._keys.room(sid)),
            ("HGET", self._keys.versions(sid), Fence.ROOM),
            ("HMGET", self._keys.end(sid), *_END),
            ("HMGET", self._keys.meta, "epoch", "n"),
        )
        value, is_missing = _parse_value(kept)
        epoch, n = (None, None) if isinstance(head, ResponseError) else head
        return Cached(
            value,
            is_missing,
            _parse_number(version),
            parse_end(end),
            _parse_number(n),
            (epoch or b"").decode(),
        )

    async def put(self, sid: RoomSid, cached: CachedRoom) -> Put:
        """Keeps the room unless an event, an end or a later fetch is known that it may not show."""
        keys = [self._keys.room(sid), self._keys.versions(sid), self._keys.end(sid)]
        over, lifetime = int(cached.room.status.is_final), lifetime_ms(cached)
        args: list[bytes | int | str] = [
            encode_room(cached),
            cached.seen_n,
            over,
            lifetime,
            Fence.ROOM,
        ]
        is_kept, version, *end = await self._connections.run(PUT, keys, args)
        return Put(bool(is_kept), parse_end(end), _parse_number(version))

    async def put_missing(self, sid: RoomSid) -> bool:
        """Remembers a 404 for a second; not of a room that an event or an earlier answer told of. Says whether it did."""
        keys = [
            self._keys.room(sid),
            self._keys.versions(sid),
            self._keys.end(sid),
            self._keys.room_log(sid),
        ]
        return bool(await self._connections.run(_PUT_MISSING, keys, [round(MISSING_SID_S * 1000)]))

    async def resolve(self, name: str) -> RoomSid | Missing | None:
        """The room in progress under this name, MISSING when there was none a moment ago, None when nothing is known."""
        (kept,) = await self._connections.read(("GET", self._keys.name(name)))
        if kept is None or isinstance(kept, ResponseError):
            return None
        return RoomSid(kept.decode()) if kept else MISSING

    async def put_name(self, name: str, sid: RoomSid | None) -> bool:
        """Remembers for a moment what Twilio lists under a name; None: nothing. Never over a pointer that is there, never
        to a room whose end is known. Says whether it did."""
        keys = [self._keys.name(name)] + ([self._keys.end(sid)] if sid else [])
        lifetime_s = NAME_S if sid else MISSING_NAME_S
        return bool(
            await self._connections.run(_PUT_NAME, keys, [sid or "", round(lifetime_s * 1000)])
        )

    async def ends(self, sids: Sequence[RoomSid]) -> dict[RoomSid, Ended]:
        """The known ends among these rooms."""
        if not sids:
            return {}
        found = await self._connections.read(
            *(("HMGET", self._keys.end(sid), *_END) for sid in sids)
        )
        ends = ((sid, parse_end(end)) for sid, end in zip(sids, found, strict=True))
        return {sid: end for sid, end in ends if end is not None}


def parse_end(kept: Any) -> Ended | None:
    """A tombstone from its three fields. What a person broke counts as not there, here as in the scripts."""
    if isinstance(kept, ResponseError) or not kept or not kept[0]:
        return None
    status, end_time, duration = kept
    try:
        return Ended(
            RoomStatus(status.decode()),
            datetime.fromisoformat(end_time.decode()) if end_time else None,
            int(duration) if duration else None,
        )
    except ValueError:
        return Ended(RoomStatus.COMPLETED, None)


def _parse_value(kept: Any) -> tuple[CachedRoom | None, bool]:
    if kept is None or isinstance(kept, ResponseError):
        return None, False
    seen, _, rest = kept.partition(b" ")
    try:
        value = _room_decoder.decode(rest[2:])
        return (replace(value, seen_n=int(seen)) if value else None), value is None
    except (msgspec.MsgspecError, ValueError):
        return None, False


def _parse_number(kept: Any) -> int:
    return int(kept) if isinstance(kept, bytes) and kept.isdigit() else 0
