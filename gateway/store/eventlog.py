"""An account's event log, in a Redis stream.

An event whose append was acknowledged is in the log exactly once, whatever happens to
the keys around it. A position in the log that is no longer valid is reported as such.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from gateway.core.caching import NAME_S, fences_of, room_lifetime
from gateway.core.cursors import EPOCH_BYTES, NO_TAG, LogPosition, tag_of
from gateway.core.events import ResyncReason, RoomEvent, RoomEventSource, RoomEventType, end_of
from gateway.core.rooms import AccountSid, Ended, Room, RoomSid
from gateway.core.sids import is_sid
from gateway.store.acknowledged import Acknowledged
from gateway.store.cache import CacheEntry, encode_entry, parse_end
from gateway.store.connection import READ_TIMEOUT_S, Connections, Script
from gateway.store.heartbeats import HeartbeatId, Heartbeats, StoredHeartbeat, parse_heartbeats
from gateway.store.keys import Keys, dedupe_hash

_OPEN: Final = Script("head.lua", "open.lua")
_APPEND: Final = Script("head.lua", "append.lua")
_TRIM: Final = Script("head.lua", "trim.lua")

LOG_LENGTH: Final = 1_000_000
ROOM_LOG_LENGTH: Final = 10_000
MAX_AGE_S: Final = 24 * 3600
ROOM_LOG_S: Final = MAX_AGE_S + 3600
# Twilio retries a callback for 15 s. The gateway does not log callbacks older than 60
# min.
_SEEN_S: Final = 70 * 60
# A callback without a record is new, or Redis has lost its record. So the last entries
# of the room's stream are searched for it (30 µs). If that stream is younger than a
# minute, four times as long as Twilio retries, it may be lost too: then the last
# entries of the account's log are searched as well (65 µs).
_LOOK_BACK: Final = 32
_LOOK_BACK_IN_LOG: Final = 64
_YOUNG_S: Final = 60
# Our entries have ids `n-0`. After this sequence number, the next of our entries is n +
# 1, even if other entries were added by hand in between.
_LAST_SEQUENCE: Final = 2**64 - 1

_event_decoder: Final = msgspec.json.Decoder(RoomEvent)


class _Stub(msgspec.Struct):
    """The part of an event that every release writes."""

    room_sid: str


_stub_decoder: Final = msgspec.json.Decoder(_Stub)


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log stands.

    `position` is that of the last entry, or of the epoch's beginning (n = `base`) while
    it has none. The history is complete since `complete_since`.
    """

    position: LogPosition
    base: int
    complete_since: datetime


@dataclass(frozen=True, slots=True)
class Appended:
    """`is_new` is False for a callback that was logged before; `position` is then its
    first one."""

    is_new: bool
    position: LogPosition


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry with its event. Its effects follow from the event: see `fences_of`,
    `end_of`."""

    position: LogPosition
    event: RoomEvent
    logged_at: datetime
    size: int
    """Bytes of the event as it is stored."""
    prev_tag: bytes | None = None
    """The tag of the entry before it when it was logged; None if an older release
    logged it."""

    @property
    def room_sid(self) -> RoomSid:
        return self.event.room_sid


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that this release cannot read: a newer release wrote it, or it is
    damaged.

    `room_sid` is None if the entry may be about any room.
    """

    position: LogPosition
    room_sid: RoomSid | None
    logged_at: datetime
    size: int
    prev_tag: bytes | None = None


Entry = Logged | Unreadable


def readable(entries: Iterable[Entry]) -> list[Logged]:
    """The entries without those that cannot be read."""
    return [entry for entry in entries if isinstance(entry, Logged)]


@dataclass(frozen=True, slots=True)
class TailRead:
    """The new entries of the log and the new heartbeats, from one command."""

    entries: list[Entry]
    heartbeats: list[StoredHeartbeat]


class EventLog:
    """One account's log. Every method raises UpstreamUnavailable when Redis does not
    answer."""

    def __init__(
        self, connections: Connections, account_sid: AccountSid, *, length: int = LOG_LENGTH
    ) -> None:
        self._connections = connections
        self.account_sid = account_sid
        self._keys = Keys(account_sid)
        self._length = length
        self.heartbeats = Heartbeats(connections, account_sid)
        self.acknowledged = Acknowledged()
        """The appends of this process that the tail has not read back."""

    async def open(self) -> Head:
        """Returns the head. Begins a new epoch if there is none, or if log and head
        disagree."""
        return (await self._open())[0]

    async def replace_epoch(self, epoch: str) -> Head:
        """Begins a new epoch if the log is still in `epoch`, and returns the head. All
        older cursors are void then.

        For a process whose position is no longer valid: other processes may have read
        entries that are gone.
        """
        return (await self._open(leave=epoch))[0]

    async def check(self, position: LogPosition) -> Head | ResyncReason:
        """Returns the head if nothing after `position` is lost, else why not."""
        head, event, is_followed = await self._open(at=position)
        if position.epoch != head.position.epoch or position.n < head.base:
            return ResyncReason.EPOCH
        if position.n > head.position.n:
            return ResyncReason.ROLLED_BACK
        if position.n == head.position.n:
            return head if position.tag == head.position.tag else ResyncReason.DIVERGED
        # A missing entry at the position loses nothing by itself. But without it, a
        # rollback of the log cannot be excluded.
        if not is_followed or (event is None and position.n > head.base):
            return ResyncReason.TRIMMED
        return head if event is None or tag_of(event) == position.tag else ResyncReason.DIVERGED

    async def append(
        self,
        event: RoomEvent,
        dedupe: str,
        *,
        may_repeat: str | None = None,
        room: CacheEntry[Room] | None = None,
    ) -> Appended:
        """Logs the event unless `dedupe` or `may_repeat` was logged before, and updates
        in the same step the versions, the end and the name that depend on it.

        `room` is Twilio's answer to our own mutation. It goes into the cache, as seen
        at the event's own n. When this raises, the event may or may not be in the log:
        append it again.
        """
        if event.account_sid != self.account_sid:
            raise ValueError("an event of another account")
        entry, digest = encode_event(event), dedupe_hash(dedupe)
        other = digest if may_repeat is None else dedupe_hash(may_repeat)
        sid = event.room_sid
        keys = [
            self._keys.log,
            self._keys.meta,
            self._keys.room_log(sid),
            self._keys.dedupe(digest),
            self._keys.dedupe(other),
            self._keys.versions(sid),
            self._keys.end(sid),
            self._keys.room(sid),
        ]
        name = event.room_name or (event.room and event.room.unique_name)
        if name:
            keys.append(self._keys.name(name))
        instructions = self._instructions(event, entry, digest, room) | {"dedupe_other": other}
        args = [msgspec.json.encode(instructions), entry]
        args.append(encode_entry(room) if room else b"")
        appended = _parse_appended(await self._connections.run(_APPEND, keys, args))
        self.acknowledged.add(appended.position)
        return appended

    async def read(self, after_n: int, count: int, room_sid: RoomSid | None = None) -> list[Entry]:
        """Returns the next `count` entries after `after_n`, of one room or of all;
        fewer only if there are no more.

        Entries of an earlier epoch may be among them, and trimmed entries are missing:
        `check` the position first.
        """
        key = self._keys.room_log(room_sid) if room_sid else self._keys.log
        entries: list[Entry] = []
        while True:
            missing = count - len(entries)
            found = await self._connections.execute(
                key, "XRANGE", key, f"{after_n + 1}-0", "+", "COUNT", missing
            )
            entries += parse_entries(found)
            if len(found) < missing or len(entries) == count:
                return entries
            after_n = _parse_n(found[-1][0])

    async def read_last(self, count: int, room_sid: RoomSid | None = None) -> list[Entry]:
        """Returns up to `count` of the last entries, of one room or of all, the oldest
        first."""
        key = self._keys.room_log(room_sid) if room_sid else self._keys.log
        found = await self._connections.execute(key, "XREVRANGE", key, "+", "-", "COUNT", count)
        return list(parse_entries(reversed(found)))

    async def reaches_back(self, room_sid: RoomSid, after_n: int) -> bool:
        """Whether the room's stream still has all that was logged of the room after
        `after_n`. It is shorter than the account's log, and reaches further back for a
        quiet room."""
        room_log = self._keys.room_log(room_sid)
        oldest, info = await self._connections.pipeline(
            ("XRANGE", room_log, "-", "+", "COUNT", 1), ("XINFO STREAM", room_log)
        )
        if isinstance(info, ResponseError):
            # There is no such stream: nothing was logged, or nothing for a day.
            return True
        is_before = bool(oldest) and _parse_n(oldest[0][0]) <= after_n
        return is_before or bool(info["entries-added"] == info["length"])

    async def tail(
        self,
        after_n: int,
        count: int,
        block_ms: int,
        heartbeats_after: HeartbeatId | None = None,
    ) -> TailRead:
        """Returns up to `count` entries after `after_n`, and as many heartbeats after
        `heartbeats_after`, as soon as there are any.

        Returns nothing after `block_ms`, which proves that there were none. An entry of
        another epoch, or one that does not follow the entry before it, means that the
        log was modified: `check` the position.
        """
        streams: list[tuple[str, str]] = [(self._keys.log, f"{after_n}-{_LAST_SEQUENCE}")]
        if heartbeats_after is not None:
            streams.append((self.heartbeats.key, f"{heartbeats_after[0]}-{heartbeats_after[1]}"))
        keys, ids = zip(*streams, strict=True)
        command = ("XREAD", "COUNT", count, "BLOCK", block_ms, "STREAMS", *keys, *ids)
        found = await self._connections.execute_blocking(
            self._keys.log, *command, timeout_s=READ_TIMEOUT_S + block_ms / 1000
        )
        by_key = dict(found or ())
        return TailRead(
            list(parse_entries(by_key.get(self._keys.log.encode(), ()))),
            list(parse_heartbeats(by_key.get(self.heartbeats.key.encode(), ()))),
        )

    async def renew(self) -> None:
        """Opens new connections to Redis."""
        await self._connections.reconnect()

    async def trim(self, age_s: float = MAX_AGE_S) -> int:
        """Drops entries older than `age_s`, about 10,000 in one call, and returns how
        many. Call it from time to time."""
        dropped: int = await self._connections.run(_TRIM, [self._keys.log], [round(age_s * 1000)])
        return dropped

    async def _open(
        self, leave: str = "", at: LogPosition | None = None
    ) -> tuple[Head, bytes | None, bool]:
        """Returns the head, the event at the position, and whether all that follows it
        is there."""
        args = [secrets.token_hex(EPOCH_BYTES), leave, "" if at is None else at.n]
        reply = _by_name(
            await self._connections.run(
                _OPEN, [self._keys.log, self._keys.meta], args, READ_TIMEOUT_S
            )
        )
        tag = reply["tag"]
        position = LogPosition(
            reply["epoch"].decode(),
            int(reply["n"]),
            NO_TAG if tag is None else bytes.fromhex(tag.decode()),
        )
        head = Head(position, int(reply["base"]), _parse_time(reply["complete_since"]))
        return head, reply["event"], bool(reply["is_followed"])

    def _instructions(
        self, event: RoomEvent, entry: bytes, digest: str, room: CacheEntry[Room] | None
    ) -> dict[str, object]:
        ended = end_of(event)
        is_mutation = event.source is RoomEventSource.MUTATION and event.room is not None
        instructions: dict[str, object] = {
            "new_epoch": secrets.token_hex(EPOCH_BYTES),
            "sid": event.room_sid,
            "dedupe": digest,
            "tag": tag_of(entry).hex(),
            # A late event changes no state, except for the end of a room.
            "fences": () if event.late and ended is None else fences_of(event),
            # Twilio's list of rooms lags its own answers. For this long, the name's
            # room is known from the event instead.
            "is_name_taken": is_mutation
            or (event.type is RoomEventType.ROOM_CREATED and not event.late),
            "name_ms": round(NAME_S * 1000),
            "log_length": self._length,
            "room_length": ROOM_LOG_LENGTH,
            "room_s": ROOM_LOG_S,
            "end_s": MAX_AGE_S,
            "seen_s": _SEEN_S,
            "look_back": _LOOK_BACK,
            "look_back_in_log": _LOOK_BACK_IN_LOG,
            "young_ms": _YOUNG_S * 1000,
        }
        if ended is not None:
            instructions["ended"] = end_fields(ended)
        if room is not None:
            instructions |= {
                "is_value_ended": room.is_final,
                "value_ms": round(
                    room_lifetime(room.value, room.fetched_at).stand_in_until_s * 1000
                ),
            }
        return instructions


def encode_event(event: RoomEvent) -> bytes:
    """The event as it is stored. Unset fields are left out: most events set a third of
    them."""
    return msgspec.json.encode(_without_none(msgspec.to_builtins(event)))


def end_fields(ended: Ended) -> list[str]:
    """The fields of a tombstone, as HSET takes them."""
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


def _by_name(reply: list[Any]) -> dict[str, Any]:
    """A script's reply, which alternates names and values."""
    return {name.decode(): value for name, value in zip(reply[::2], reply[1::2], strict=True)}


def _parse_appended(reply: list[Any]) -> Appended:
    fields = _by_name(reply)
    event, tag = fields["event"], fields["tag"]
    position = LogPosition(
        fields["epoch"].decode(),
        int(fields["n"]),
        bytes.fromhex(tag.decode()) if event is None else tag_of(event),
    )
    return Appended(bool(fields["is_new"]), position)


def parse_entries(entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> Iterable[Entry]:
    """The entries, without those that do not have the fields of the append script."""
    for entry_id, fields in entries:
        try:
            event = fields[b"j"]
            position = LogPosition(fields[b"e"].decode(), _parse_n(entry_id), tag_of(event))
            logged_at, prev_tag = _parse_time(fields[b"t"]), _parse_tag(fields.get(b"p"))
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        try:
            decoded = _event_decoder.decode(event)
            if b"r" in fields:
                decoded = replace(decoded, room_end=parse_end(fields[b"r"].split(b"|", 2)))
            yield Logged(position, decoded, logged_at, len(event), prev_tag)
        except (ValueError, msgspec.MsgspecError):
            yield Unreadable(position, _room_of(event), logged_at, len(event), prev_tag)


def _room_of(event: bytes) -> RoomSid | None:
    try:
        sid = _stub_decoder.decode(event).room_sid
    except (ValueError, msgspec.MsgspecError):
        return None
    return RoomSid(sid) if is_sid(RoomSid, sid) else None


def _parse_tag(text: bytes | None) -> bytes | None:
    if text is None:
        return None
    return bytes.fromhex(text.decode()) if text else NO_TAG


def _parse_n(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def _parse_time(ms: bytes) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
