"""An account's log of events, in a Redis stream. What is answered as appended is in the log once, whatever happens to the
keys around it; a place in the log that does not hold any more is named as such."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from gateway.core.caching import NAME_S, fences_of
from gateway.core.cursors import EPOCH_BYTES, NO_TAG, Place, tag_of
from gateway.core.events import EventSource, ResyncReason, RoomEvent, RoomEventType, end_of
from gateway.core.rooms import AccountSid, Ended, RoomSid
from gateway.core.sids import is_sid
from gateway.store.cache import CachedRoom, encode_room, is_over, lifetime_ms
from gateway.store.connection import READ_S, Connections, Script
from gateway.store.keys import Keys, dedupe_hash

_OPEN: Final = Script("head.lua", "open.lua")
_APPEND: Final = Script("head.lua", "append.lua")
_TRIM: Final = Script("head.lua", "trim.lua")

LOG_LENGTH: Final = 1_000_000
ROOM_LOG_LENGTH: Final = 10_000
KEPT_S: Final = 24 * 3600
_ROOM_KEPT_S: Final = KEPT_S + 3600
# Twilio gives up on a callback after 15 s; ours of older than 60 min are not logged at all.
_SEEN_S: Final = 70 * 60
# How far back a repeated callback is looked for when its record is gone: in its room's stream (30 µs), and while that is
# younger than a minute, four times as long as Twilio tries, in the account's log (65 µs).
_LOOK_BACK: Final = 32
_LOOK_BACK_IN_LOG: Final = 64
_YOUNG_S: Final = 60
TAIL_COUNT: Final = 1_000
# Entries of ours are `n-0`: from here on the next one is n + 1, whatever somebody put between by hand.
_LAST_SEQUENCE: Final = 2**64 - 1

_event_decoder: Final = msgspec.json.Decoder(RoomEvent)


class _Stub(msgspec.Struct):
    """As much of an event as every release writes."""

    room_sid: str


_stub_decoder: Final = msgspec.json.Decoder(_Stub)


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log stands: the place of its last entry, or of its epoch's beginning (n = `base`) while it has none.
    `complete_since`: since when history is complete."""

    place: Place
    base: int
    complete_since: datetime


@dataclass(frozen=True, slots=True)
class Appended:
    """`is_new` is False for a callback that was logged before; `place` is then that of the first time."""

    is_new: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry. What it makes old (`fences_of(event)`, now at `place.n`) and ends (`end_of(event)`) follows from it."""

    place: Place
    event: RoomEvent
    logged_at: datetime
    size: int
    """Bytes of the event as it lies in the log."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that is there, and that this release cannot read: one that a newer release wrote, or a damaged one.

    `room_sid`: whose event it is, where that much can be read.
    """

    place: Place
    room_sid: RoomSid | None
    logged_at: datetime
    size: int


class EventLog:
    """One account's log. Every method raises UpstreamUnavailable when Redis gives no answer."""

    def __init__(self, connections: Connections, account_sid: AccountSid, *, length: int = LOG_LENGTH) -> None:
        self._connections = connections
        self._account_sid = account_sid
        self._keys = Keys(account_sid)
        self._length = length

    async def open(self) -> Head:
        """The log's head; a new epoch is begun when there is none, or when what is kept of it does not fit together."""
        return (await self._open())[0]

    async def begin_anew(self, epoch: str) -> Head:
        """The head of a new epoch, if the log is still in `epoch`; else the head as it is. Every older cursor is void then.

        For a process that was at a place which does not hold: others may have read entries that are gone.
        """
        return (await self._open(leave=epoch))[0]

    async def check(self, place: Place) -> Head | ResyncReason:
        """The head when everything after `place` can still be told, else the reason why not."""
        head, at_place, is_followed = await self._open(at=place)
        if place.epoch != head.place.epoch or place.n < head.base:
            return ResyncReason.EPOCH
        if place.n > head.place.n:
            return ResyncReason.ROLLED_BACK
        if place.n == head.place.n:
            return head if place.tag == head.place.tag else ResyncReason.DIVERGED
        # An entry that is gone loses nothing by itself, but without it nobody can tell whether the log was rolled back.
        if not is_followed or (at_place is None and place.n > head.base):
            return ResyncReason.TRIMMED
        return head if at_place is None or tag_of(at_place) == place.tag else ResyncReason.DIVERGED

    async def append(self, event: RoomEvent, dedupe: str, *, room: CachedRoom | None = None) -> Appended:
        """Logs the event unless `dedupe` was logged before, and in the same step makes old, ends and names what it says.

        `room` is Twilio's answer to a mutation of ours: it is put into the cache as seen at the event's own n.
        When this raises, the event may be in the log or not; appending it again is right.
        """
        if event.account_sid != self._account_sid:
            raise ValueError("an event of another account")
        entry, digest = encode_event(event), dedupe_hash(dedupe)
        sid = event.room_sid
        keys = [
            self._keys.log,
            self._keys.meta,
            self._keys.room_log(sid),
            self._keys.seen(digest),
            self._keys.versions(sid),
            self._keys.end(sid),
            self._keys.room(sid),
        ]
        name = event.room_name or (event.room and event.room.unique_name)
        if name:
            keys.append(self._keys.name(name))
        args = [msgspec.json.encode(self._instructions(event, entry, digest, room)), entry]
        args.append(encode_room(room) if room else b"")
        is_new, epoch, n, tag, found = await self._connections.run(_APPEND, keys, args)
        tag_bytes = bytes.fromhex(tag.decode()) if found is None else tag_of(found)
        return Appended(bool(is_new), Place(epoch.decode(), int(n), tag_bytes))

    async def read(self, after_n: int, count: int, room_sid: RoomSid | None = None) -> list[Logged]:
        """Up to `count` entries after `after_n` that can be read, of one room or of all; empty only when there are none.

        Entries of an earlier epoch may be among them, and those that were trimmed are not: ask `check` about the place first.
        """
        key = self._keys.room_log(room_sid) if room_sid else self._keys.log
        while True:
            found: Any = await self._connections.ask(
                self._connections.commands.xrange(key, f"{after_n + 1}-0", count=count)
            )
            logged = [entry for entry in _parse_entries(found) if isinstance(entry, Logged)]
            if logged or not found:
                return logged
            after_n = _number(found[-1][0])

    async def entries(self, after_n: int, count: int) -> list[Logged | Unreadable]:
        """As `read`, of all rooms, and with the entries that cannot be read."""
        found: Any = await self._connections.ask(
            self._connections.commands.xrange(self._keys.log, f"{after_n + 1}-0", count=count)
        )
        return list(_parse_entries(found))

    async def read_last(self, count: int, room_sid: RoomSid | None = None) -> list[Logged]:
        """Those among up to `count` of the last entries that can be read, the oldest first."""
        key = self._keys.room_log(room_sid) if room_sid else self._keys.log
        found: Any = await self._connections.ask(self._connections.commands.xrevrange(key, count=count))
        return [entry for entry in _parse_entries(reversed(found)) if isinstance(entry, Logged)]

    async def last_entries(self, count: int) -> list[Logged | Unreadable]:
        """As `read_last`, of all rooms, and with the entries that cannot be read."""
        found: Any = await self._connections.ask(self._connections.commands.xrevrange(self._keys.log, count=count))
        return list(_parse_entries(reversed(found)))

    async def reaches_back(self, room_sid: RoomSid, after_n: int) -> bool:
        """Whether the room's stream still has all that was logged of the room after `after_n`. It is shorter than the
        account's log, and older where little happens."""
        pipeline = self._connections.commands.pipeline(transaction=False)
        pipeline.xrange(self._keys.room_log(room_sid), count=1)
        pipeline.xinfo_stream(self._keys.room_log(room_sid))
        oldest, info = await self._connections.ask(pipeline.execute(raise_on_error=False))
        if isinstance(info, ResponseError):
            # There is no such stream: nothing was logged, or not for a day.
            return True
        is_before = bool(oldest) and _number(oldest[0][0]) <= after_n
        return is_before or bool(info["entries-added"] == info["length"])

    async def tail(self, after_n: int, block_ms: int) -> list[Logged | Unreadable]:
        """Up to TAIL_COUNT entries after `after_n` as soon as there are any; empty after `block_ms` without one, which proves
        that there were none. An entry of another epoch, or one that is not the next number, says that the log was meddled
        with: ask `check`."""
        found: Any = await self._connections.ask(
            self._connections.blocking.xread(
                {self._keys.log: f"{after_n}-{_LAST_SEQUENCE}"}, count=TAIL_COUNT, block=block_ms
            ),
            READ_S + block_ms / 1000,
        )
        return [logged for _, entries in found or () for logged in _parse_entries(entries)]

    async def trim(self, age_s: float = KEPT_S) -> int:
        """Drops entries older than `age_s`, some 10,000 a call, and says how many; to be called now and then."""
        dropped: int = await self._connections.run(_TRIM, [self._keys.log], [round(age_s * 1000)])
        return dropped

    async def _open(self, leave: str = "", at: Place | None = None) -> tuple[Head, bytes | None, bool]:
        args = [secrets.token_hex(EPOCH_BYTES), leave, "" if at is None else at.n]
        epoch, n, base, tag, at_place, is_followed, since_ms = await self._connections.run(
            _OPEN, [self._keys.log, self._keys.meta], args
        )
        place = Place(epoch.decode(), int(n), NO_TAG if tag is None else bytes.fromhex(tag.decode()))
        return Head(place, int(base), _moment(since_ms)), at_place, bool(is_followed)

    def _instructions(self, event: RoomEvent, entry: bytes, digest: str, room: CachedRoom | None) -> dict[str, object]:
        ended = end_of(event)
        is_mutation = event.source is EventSource.MUTATION and event.room is not None
        orders: dict[str, object] = {
            "new_epoch": secrets.token_hex(EPOCH_BYTES),
            "sid": event.room_sid,
            "dedupe": digest,
            "tag": tag_of(entry).hex(),
            "fences": fences_of(event),
            # Twilio's list lags its own answers: for this long, the name is known from the event instead.
            "is_name_taken": is_mutation or (event.type is RoomEventType.ROOM_CREATED and not event.late),
            "name_ms": round(NAME_S * 1000),
            "log_length": self._length,
            "room_length": ROOM_LOG_LENGTH,
            "room_s": _ROOM_KEPT_S,
            "end_s": KEPT_S,
            "seen_s": _SEEN_S,
            "look_back": _LOOK_BACK,
            "look_back_in_log": _LOOK_BACK_IN_LOG,
            "young_ms": _YOUNG_S * 1000,
        }
        if ended is not None:
            orders["ended"] = end_fields(ended)
        if room is not None:
            orders |= {"is_value_ended": is_over(room.room), "value_ms": lifetime_ms(room)}
        return orders


def encode_event(event: RoomEvent) -> bytes:
    """The event as it lies in the log. What is not set is left out: most events set a third of the fields."""
    return msgspec.json.encode(_without_none(msgspec.to_builtins(event)))


def end_fields(ended: Ended) -> list[str]:
    """A tombstone's hash, as HSET takes it."""
    fields = ["status", str(ended.status)]
    if ended.end_time is not None:
        fields += ["end_time", ended.end_time.isoformat()]
    if ended.duration is not None:
        fields += ["duration", str(ended.duration)]
    return fields


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(part) if isinstance(part, dict) else part for key, part in value.items() if part is not None
    }


def _parse_entries(entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> Iterable[Logged | Unreadable]:
    """What somebody added by hand, and is not as the append script writes it, is passed over."""
    for entry_id, fields in entries:
        try:
            entry = fields[b"j"]
            place = Place(fields[b"e"].decode(), _number(entry_id), tag_of(entry))
            logged_at = _moment(fields[b"t"])
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        try:
            yield Logged(place, _event_decoder.decode(entry), logged_at, len(entry))
        except (ValueError, msgspec.MsgspecError):
            yield Unreadable(place, _room_of(entry), logged_at, len(entry))


def _room_of(entry: bytes) -> RoomSid | None:
    try:
        sid = _stub_decoder.decode(entry).room_sid
    except (ValueError, msgspec.MsgspecError):
        return None
    return RoomSid(sid) if is_sid(RoomSid, sid) else None


def _number(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def _moment(ms: bytes) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
