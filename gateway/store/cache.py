"""Twilio's answers in Redis. The event log fences them: a value that was fetched before
an event that changed it is never stored after that event.

A stored value is `<seen_n> <is_final> <JSON>`. The scripts read the two words in front
and ignore the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import msgspec
from redis.exceptions import ResponseError

from gateway.core.caching import MISSING_NAME_S, MISSING_SID_S, NAME_S, Fence
from gateway.core.cursors import LogPosition
from gateway.core.rooms import AccountSid, Ended, Room, RoomSid, RoomStatus
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys
from gateway.store.routes import Command

T = TypeVar("T")

_END: Final = ("status", "end_time", "duration")
_PUT: Final = Script("head.lua", "put.lua")
_PUT_MISSING: Final = Script("put_missing.lua")
_PUT_NAME: Final = Script("put_name.lua")


@dataclass(frozen=True, slots=True)
class CacheEntry(Generic[T]):
    """A value as Twilio showed it at one moment.

    A stream that starts at `as_of` misses no change that the value does not show.
    """

    value: T
    fetched_at: float
    """Seconds since 1970."""
    seen_n: int
    """The number of the newest event in the log before the fetch began."""
    as_of: LogPosition | None
    is_settled: bool
    """False for a value that was fetched so soon after an event that it may not show
    it."""

    @property
    def is_final(self) -> bool:
        """False for a room in progress: its end, once known, must not be overwritten by
        it."""
        return not isinstance(self.value, Room) or self.value.status.is_final


@dataclass(frozen=True, slots=True)
class CacheKey(Generic[T]):
    """Names one value among all values of an account.

    `about` is the SID of a room or a recording, or "-" for the account. An event about
    a room that touches `fence` makes the room's values outdated for all replicas.
    Values of the account, and recordings by their own SID, only become outdated in the
    memory of each process.
    """

    name: str
    about: str
    fence: Fence
    decoder: "msgspec.json.Decoder[CacheEntry[T] | None]"


@dataclass(frozen=True, slots=True)
class CacheLookup(Generic[T]):
    """What Redis knows under one key.

    `is_missing`: Twilio answered 404 a moment ago (rooms only). `version_n` is the
    number of the newest event that changed the value, or 0. `ended` is the end of the
    room in `CacheKey.about`. `head_n` is the newest number in the log: the `seen_n` of
    a fetch that begins now. `size` is in bytes.
    """

    entry: CacheEntry[T] | None
    is_missing: bool
    version_n: int
    ended: Ended | None
    head_n: int
    size: int = 0

    @property
    def is_outdated(self) -> bool:
        """Whether an event has changed the value since it was fetched."""
        return self.entry is not None and self.entry.seen_n < self.version_n


@dataclass(frozen=True, slots=True)
class PutResult:
    """`ended` is the end of the room that was known by then, whether the value was
    stored or not."""

    is_stored: bool
    ended: Ended | None


class ResponseCache:
    """One account's values. Every method takes one round trip and raises
    UpstreamUnavailable when Redis does not answer."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def get(self, keys: Sequence[CacheKey[T]]) -> list[CacheLookup[T]]:
        """Returns what is known under each key. A value that cannot be decoded counts
        as absent: a person or a newer release may have written it."""
        commands: list[Command] = []
        for key in keys:
            # In this order: an append in between cannot make an old value look current.
            commands.append(("GET", self._keys.cached(key.name)))
            commands.append(("HGET", self._keys.versions(key.about), key.fence))
            commands.append(("HMGET", self._keys.end(key.about), *_END))
        *answers, head = await self._connections.pipeline(*commands, ("HGET", self._keys.meta, "n"))
        head_n = _parse_number(head)
        rows = zip(answers[::3], answers[1::3], answers[2::3], strict=True)
        return [_parse_lookup(key, *row, head_n) for key, row in zip(keys, rows, strict=True)]

    async def put(self, key: CacheKey[T], entry: CacheEntry[T], lifetime_s: float) -> PutResult:
        """Stores the entry, unless an event, an end or a later fetch is known that it
        may not show."""
        keys = [
            self._keys.cached(key.name),
            self._keys.versions(key.about),
            self._keys.end(key.about),
        ]
        args: list[bytes | int | str] = [
            encode_entry(entry),
            entry.seen_n,
            int(entry.is_final),
            round(lifetime_s * 1000),
            key.fence,
        ]
        is_stored, *end = await self._connections.run(_PUT, keys, args)
        return PutResult(bool(is_stored), parse_end(end))


@dataclass(frozen=True, slots=True)
class NamePointer:
    """What Redis knows of a name: `sid` is None when no room in progress has it."""

    sid: RoomSid | None


class RoomIndex:
    """The names and ends of one account's rooms, and SIDs without a room. Every method
    takes one round trip and raises UpstreamUnavailable when Redis does not answer."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def resolve(self, name: str) -> NamePointer | None:
        """Returns which room in progress had this name a moment ago, or None when Redis
        does not know."""
        (sid,) = await self._connections.pipeline(("GET", self._keys.name(name)))
        if sid is None or isinstance(sid, ResponseError):
            return None
        return NamePointer(RoomSid(sid.decode()) if sid else None)

    async def put_missing(self, sid: RoomSid) -> bool:
        """Remembers for MISSING_SID_S that Twilio has no such room. Returns False, and
        does nothing, when an event or an earlier answer has shown the room."""
        keys = [
            self._keys.room(sid),
            self._keys.versions(sid),
            self._keys.end(sid),
            self._keys.room_log(sid),
        ]
        return bool(await self._connections.run(_PUT_MISSING, keys, [round(MISSING_SID_S * 1000)]))

    async def put_name(self, name: str, sid: RoomSid | None) -> bool:
        """Remembers for a moment which room Twilio lists under a name; None means no
        room.

        Returns False, and does nothing, when the name points at a room already or when
        the end of the room is known.
        """
        keys = [self._keys.name(name)] + ([self._keys.end(sid)] if sid else [])
        lifetime_s = NAME_S if sid else MISSING_NAME_S
        return bool(
            await self._connections.run(_PUT_NAME, keys, [sid or "", round(lifetime_s * 1000)])
        )

    async def ends(self, sids: Sequence[RoomSid]) -> dict[RoomSid, Ended]:
        """Returns the known ends among these rooms."""
        if not sids:
            return {}
        answers = await self._connections.pipeline(
            *(("HMGET", self._keys.end(sid), *_END) for sid in sids)
        )
        ends = ((sid, parse_end(end)) for sid, end in zip(sids, answers, strict=True))
        return {sid: end for sid, end in ends if end is not None}


def encode_entry(entry: CacheEntry[Any]) -> bytes:
    """The JSON of an entry, as Redis holds it behind the two words."""
    return msgspec.json.encode(entry)


def parse_end(fields: Any) -> Ended | None:
    """Returns the tombstone from its three fields.

    A hash without a status counts as absent, as it does in the scripts. A damaged one
    still says that the room has ended.
    """
    if isinstance(fields, ResponseError) or not fields or not fields[0]:
        return None
    status, end_time, duration = fields
    try:
        return Ended(
            RoomStatus(status.decode()),
            datetime.fromisoformat(end_time.decode()) if end_time else None,
            int(duration) if duration else None,
        )
    except ValueError:
        return Ended(RoomStatus.COMPLETED, None)


def _parse_lookup(
    key: CacheKey[T], stored: Any, version: Any, end: Any, head_n: int
) -> CacheLookup[T]:
    entry, is_missing = _parse_entry(key, stored)
    size = len(stored) if entry is not None else 0
    return CacheLookup(entry, is_missing, _parse_number(version), parse_end(end), head_n, size)


def _parse_entry(key: CacheKey[T], stored: Any) -> tuple[CacheEntry[T] | None, bool]:
    if not isinstance(stored, bytes):
        return None, False
    seen_n, _, rest = stored.partition(b" ")
    try:
        entry = key.decoder.decode(rest[2:])
        # Redis is right where the two differ: the log gives an own mutation its number.
        return (replace(entry, seen_n=int(seen_n)), False) if entry else (None, True)
    except (msgspec.MsgspecError, ValueError):
        return None, False


def _parse_number(text: Any) -> int:
    return int(text) if isinstance(text, bytes) and text.isdigit() else 0
