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
from gateway.core.cursors import EPOCH_BYTES, NO_TAG, LogPosition, tag_of
from gateway.core.events import EventSource, ResyncReason, RoomEvent, RoomEventType, end_of
from gateway.core.rooms import AccountSid, Ended, RoomSid
from gateway.core.sids import is_sid
from gateway.store.cache import CachedRoom, encode_room, lifetime_ms
from gateway.store.connection import READ_S, Connections, Script
from gateway.store.keys import Keys, dedupe_hash

_OPEN: Final = Script("head.lua", "open.lua")
_APPEND: Final = Script("head.lua", "append.lua")
_TRIM: Final = Script("head.lua", "trim.lua")
_BEAT: Final = Script("head.lua", "beat.lua")

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
# Each replica beats once a second and must hear itself within three: so many beats of 300 replicas, in 50 kB. Were it as short
# as three beats of the replicas that there happen to be, one that is slow for a moment would not find its own.
HEARTBEATS: Final = 1_000
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

    position: LogPosition
    base: int
    complete_since: datetime


@dataclass(frozen=True, slots=True)
class Appended:
    """`is_new` is False for a callback that was logged before; `position` is then that of the first time."""

    is_new: bool
    position: LogPosition


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry. What it makes old (`fences_of(event)`, now at `position.n`) and ends (`end_of(event)`) follows from it."""

    position: LogPosition
    event: RoomEvent
    logged_at: datetime
    size: int
    """Bytes of the event as it lies in the log."""
    prev_tag: bytes | None = None
    """Of the entry before it when it was logged; None in what an older release logged."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that is there, and that this release cannot read: one that a newer release wrote, or a damaged one.

    `room_sid`: whose event it is, where that much can be read.
    """

    position: LogPosition
    room_sid: RoomSid | None
    logged_at: datetime
    size: int
    prev_tag: bytes | None = None


BeatId = tuple[int, int]
"""A heartbeat's place in its stream: Redis's milliseconds, and which one in this millisecond."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A replica's sign of life, its how many-eth."""

    id: BeatId
    replica: str
    number: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What one look at the log showed."""

    entries: list[Logged | Unreadable]
    beats: list[Beat]


class EventLog:
    """One account's log. Every method raises UpstreamUnavailable when Redis gives no answer."""

    def __init__(
        self, connections: Connections, account_sid: AccountSid, *, length: int = LOG_LENGTH
    ) -> None:
        self._connections = connections
        self.account_sid = account_sid
        self._keys = Keys(account_sid)
        self._length = length
        self.appended: LogPosition | None = None
        """The newest place that this process was told it logged something at."""

    async def open(self) -> Head:
        """The log's head; a new epoch is begun when there is none, or when what is kept of it does not fit together."""
        return (await self._open())[0]

    async def begin_anew(self, epoch: str) -> Head:
        """The head of a new epoch, if the log is still in `epoch`; else the head as it is. Every older cursor is void then.

        For a process that was at a place which does not hold: others may have read entries that are gone.
        """
        return (await self._open(leave=epoch))[0]

    async def check(self, position: LogPosition) -> Head | ResyncReason:
        """The head when everything after `position` can still be told, else the reason why not."""
        head, at_place, is_followed = await self._open(at=position)
        if position.epoch != head.position.epoch or position.n < head.base:
            return ResyncReason.EPOCH
        if position.n > head.position.n:
            return ResyncReason.ROLLED_BACK
        if position.n == head.position.n:
            return head if position.tag == head.position.tag else ResyncReason.DIVERGED
        # An entry that is gone loses nothing by itself, but without it nobody can tell whether the log was rolled back.
        if not is_followed or (at_place is None and position.n > head.base):
            return ResyncReason.TRIMMED
        return (
            head if at_place is None or tag_of(at_place) == position.tag else ResyncReason.DIVERGED
        )

    async def append(
        self, event: RoomEvent, dedupe: str, *, room: CachedRoom | None = None
    ) -> Appended:
        """Logs the event unless `dedupe` was logged before, and in the same step makes old, ends and names what it says.

        `room` is Twilio's answer to a mutation of ours: it is put into the cache as seen at the event's own n.
        When this raises, the event may be in the log or not; appending it again is right.
        """
        if event.account_sid != self.account_sid:
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
        position = LogPosition(epoch.decode(), int(n), tag_bytes)
        if self.appended is None or position.n > self.appended.n:
            self.appended = position
        return Appended(bool(is_new), position)

    async def read(self, after_n: int, count: int, room_sid: RoomSid | None = None) -> list[Logged]:
        """Up to `count` entries after `after_n` that can be read, of one room or of all; empty only when there are none.

        Entries of an earlier epoch may be among them, and those that were trimmed are not: ask `check` about the place first.
        """
        key = self._keys.room_log(room_sid) if room_sid else self._keys.log
        while True:
            found = await self._connections.fetch(
                key, "XRANGE", key, f"{after_n + 1}-0", "+", "COUNT", count
            )
            logged = [entry for entry in _parse_entries(found) if isinstance(entry, Logged)]
            if logged or not found:
                return logged
            after_n = _number(found[-1][0])

    async def entries(self, after_n: int, count: int) -> list[Logged | Unreadable]:
        """As `read`, of all rooms, and with the entries that cannot be read."""
        key = self._keys.log
        found = await self._connections.fetch(
            key, "XRANGE", key, f"{after_n + 1}-0", "+", "COUNT", count
        )
        return list(_parse_entries(found))

    async def read_last(self, count: int, room_sid: RoomSid | None = None) -> list[Logged]:
        """Those among up to `count` of the last entries that can be read, the oldest first."""
        key = self._keys.room_log(room_sid) if room_sid else self._keys.log
        found = await self._connections.fetch(key, "XREVRANGE", key, "+", "-", "COUNT", count)
        return [entry for entry in _parse_entries(reversed(found)) if isinstance(entry, Logged)]

    async def last_entries(self, count: int) -> list[Logged | Unreadable]:
        """As `read_last`, of all rooms, and with the entries that cannot be read."""
        key = self._keys.log
        found = await self._connections.fetch(key, "XREVRANGE", key, "+", "-", "COUNT", count)
        return list(_parse_entries(reversed(found)))

    async def reaches_back(self, room_sid: RoomSid, after_n: int) -> bool:
        """Whether the room's stream still has all that was logged of the room after `after_n`. It is shorter than the
        account's log, and older where little happens."""
        room_log = self._keys.room_log(room_sid)
        oldest, info = await self._connections.read(
            ("XRANGE", room_log, "-", "+", "COUNT", 1), ("XINFO STREAM", room_log)
        )
        if isinstance(info, ResponseError):
            # There is no such stream: nothing was logged, or not for a day.
            return True
        is_before = bool(oldest) and _number(oldest[0][0]) <= after_n
        return is_before or bool(info["entries-added"] == info["length"])

    async def tail(self, after_n: int, block_ms: int, beats_after: BeatId | None = None) -> Heard:
        """Up to TAIL_COUNT entries after `after_n`, and the beats after `beats_after`, as soon as there are any; nothing after
        `block_ms` without one, which proves that there were none. An entry of another epoch, or one that does not follow the one
        before it, says that the log was meddled with: ask `check`."""
        streams: list[tuple[str, str]] = [(self._keys.log, f"{after_n}-{_LAST_SEQUENCE}")]
        if beats_after is not None:
            streams.append((self._keys.heartbeat, f"{beats_after[0]}-{beats_after[1]}"))
        keys, ids = zip(*streams, strict=True)
        words = ("XREAD", "COUNT", TAIL_COUNT, "BLOCK", block_ms, "STREAMS", *keys, *ids)
        found = await self._connections.wait(
            self._keys.log, *words, within_s=READ_S + block_ms / 1000
        )
        of = dict(found or ())
        entries = list(_parse_entries(of.get(self._keys.log.encode(), ())))
        return Heard(entries, list(_parse_beats(of.get(self._keys.heartbeat.encode(), ()))))

    async def beat(self, replica: str, number: int) -> BeatId:
        """Says to all replicas that this one is there, over the connections that callbacks are logged by; and where in the
        stream it said so."""
        args: list[str | int] = [replica, number, HEARTBEATS]
        return _beat_id(await self._connections.run(_BEAT, [self._keys.heartbeat], args, READ_S))

    async def look_round(self) -> None:
        """Leaves a Redis that others do not take for the master any more. Raises UpstreamUnavailable."""
        await self._connections.look_round()

    async def renew(self) -> None:
        """Looks for the Redis anew. Raises UpstreamUnavailable."""
        await self._connections.renew()

    async def trim(self, age_s: float = KEPT_S) -> int:
        """Drops entries older than `age_s`, some 10,000 a call, and says how many; to be called now and then."""
        dropped: int = await self._connections.run(_TRIM, [self._keys.log], [round(age_s * 1000)])
        return dropped

    async def _open(
        self, leave: str = "", at: LogPosition | None = None
    ) -> tuple[Head, bytes | None, bool]:
        args = [secrets.token_hex(EPOCH_BYTES), leave, "" if at is None else at.n]
        epoch, n, base, tag, at_place, is_followed, since_ms = await self._connections.run(
            _OPEN, [self._keys.log, self._keys.meta], args, READ_S
        )
        position = LogPosition(
            epoch.decode(), int(n), NO_TAG if tag is None else bytes.fromhex(tag.decode())
        )
        return Head(position, int(base), _moment(since_ms)), at_place, bool(is_followed)

    def _instructions(
        self, event: RoomEvent, entry: bytes, digest: str, room: CachedRoom | None
    ) -> dict[str, object]:
        ended = end_of(event)
        is_mutation = event.source is EventSource.MUTATION and event.room is not None
        orders: dict[str, object] = {
            "new_epoch": secrets.token_hex(EPOCH_BYTES),
            "sid": event.room_sid,
            "dedupe": digest,
            "tag": tag_of(entry).hex(),
            "fences": fences_of(event),
            # Twilio's list lags its own answers: for this long, the name is known from the event instead.
            "is_name_taken": is_mutation
            or (event.type is RoomEventType.ROOM_CREATED and not event.late),
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
            orders |= {"is_value_ended": room.room.status.is_final, "value_ms": lifetime_ms(room)}
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
        key: _without_none(part) if isinstance(part, dict) else part
        for key, part in value.items()
        if part is not None
    }


def _parse_entries(
    entries: Iterable[tuple[bytes, dict[bytes, bytes]]],
) -> Iterable[Logged | Unreadable]:
    """What somebody added by hand, and is not as the append script writes it, is passed over."""
    for entry_id, fields in entries:
        try:
            entry = fields[b"j"]
            position = LogPosition(fields[b"e"].decode(), _number(entry_id), tag_of(entry))
            logged_at, prev_tag = _moment(fields[b"t"]), _tag(fields.get(b"p"))
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        try:
            yield Logged(position, _event_decoder.decode(entry), logged_at, len(entry), prev_tag)
        except (ValueError, msgspec.MsgspecError):
            yield Unreadable(position, _room_of(entry), logged_at, len(entry), prev_tag)


def _room_of(entry: bytes) -> RoomSid | None:
    try:
        sid = _stub_decoder.decode(entry).room_sid
    except (ValueError, msgspec.MsgspecError):
        return None
    return RoomSid(sid) if is_sid(RoomSid, sid) else None


def _tag(text: bytes | None) -> bytes | None:
    if text is None:
        return None
    return bytes.fromhex(text.decode()) if text else NO_TAG


def _parse_beats(entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> Iterable[Beat]:
    """What somebody added by hand counts as nobody's."""
    for entry_id, fields in entries:
        number = fields.get(b"n", b"")
        yield Beat(
            _beat_id(entry_id),
            fields.get(b"r", b"").decode(errors="replace"),
            int(number) if number.isdigit() else 0,
        )


def _beat_id(entry_id: bytes) -> BeatId:
    ms, _, sequence = entry_id.partition(b"-")
    return int(ms), int(sequence)


def _number(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def _moment(ms: bytes) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
