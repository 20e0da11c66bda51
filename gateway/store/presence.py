"""What Redis has about who is in a room: the room's newest events, and the reconciler's
snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from redis.exceptions import ResponseError

from gateway.core.errors import UpstreamUnavailable
from gateway.core.room_state.presence import PresenceSnapshot
from gateway.core.rooms import AccountSid, RoomSid
from gateway.store.connection import Connections
from gateway.store.eventlog import ROOM_LOG_S, Entry, parse_entries
from gateway.store.keys import Keys

STORY_LENGTH: Final = 200
"""The most entries that are read of one room. Some 8 participants make so many. The
reconciler makes a snapshot of a room before its story gets longer than this."""

_snapshot_decoder: Final = msgspec.json.Decoder(PresenceSnapshot)


@dataclass(frozen=True, slots=True)
class RoomStory:
    """The newest entries of a room's stream, the oldest first.

    `is_whole` says whether they are all that was ever in the stream. `snapshot` is the
    newest one, if there is one.
    """

    entries: tuple[Entry, ...] = ()
    is_whole: bool = False
    snapshot: PresenceSnapshot | None = None


@dataclass(frozen=True, slots=True)
class LogEpoch:
    """The log's epoch. Its entries have numbers above `base_n`."""

    id: str
    base_n: int


class PresenceStore:
    """One account's stories. Every method raises UpstreamUnavailable when Redis does
    not answer."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def read(self, sids: Sequence[RoomSid]) -> tuple[LogEpoch | None, list[RoomStory]]:
        """Returns the log's epoch and the stories of these rooms, in one round trip.

        The epoch is None if Redis has no log.
        """
        commands: list[tuple[str | int, ...]] = [("HMGET", self._keys.meta, "epoch", "base")]
        for sid in sids:
            room_log = self._keys.room_log(sid)
            commands += [
                # The snapshot first: no event after it may be missing.
                ("GET", self._keys.presence(sid)),
                ("XREVRANGE", room_log, "+", "-", "COUNT", STORY_LENGTH),
                ("XINFO STREAM", room_log),
            ]
        meta, *replies = await self._connections.bulk_pipeline(*commands)
        if isinstance(meta, ResponseError):
            raise UpstreamUnavailable("Redis refused a command") from meta
        parts = iter(replies)
        stories = [_parse_story(*reply) for reply in zip(parts, parts, parts, strict=True)]
        return _parse_epoch(*meta), stories

    async def put_snapshot(self, sid: RoomSid, snapshot: PresenceSnapshot) -> None:
        """Stores the newest snapshot of a room, for as long as its stream lives without
        another event."""
        value = msgspec.json.encode(snapshot)
        await self._connections.pipeline(("SET", self._keys.presence(sid), value, "EX", ROOM_LOG_S))


def _parse_epoch(id_: bytes | None, base: bytes | None) -> LogEpoch | None:
    if id_ is None or base is None or not base.isdigit():
        return None
    return LogEpoch(id_.decode(), int(base))


def _parse_story(snapshot: object, entries: object, info: object) -> RoomStory:
    """The story in three replies. A key that an operator changed leaves it empty."""
    if not isinstance(entries, list) or isinstance(info, ResponseError):
        return RoomStory(snapshot=_parse_snapshot(snapshot))
    assert isinstance(info, dict)
    return RoomStory(
        tuple(parse_entries(reversed(entries))),
        is_whole=len(entries) == info["length"] == info["entries-added"],
        snapshot=_parse_snapshot(snapshot),
    )


def _parse_snapshot(value: object) -> PresenceSnapshot | None:
    if not isinstance(value, bytes):
        return None
    try:
        return _snapshot_decoder.decode(value)
    except (ValueError, msgspec.MsgspecError):
        return None
