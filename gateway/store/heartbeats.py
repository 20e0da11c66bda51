"""The heartbeats of an account's replicas, in a Redis stream of their own."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import UpstreamUnavailable
from gateway.core.rooms import AccountSid
from gateway.store.connection import READ_TIMEOUT_S, Connections, Script
from gateway.store.keys import Keys

_HEARTBEAT: Final = Script("head.lua", "heartbeat.lua")

# Each replica sends a heartbeat once a second and must receive its own within three
# seconds: this is enough for 300 replicas, and takes 50 kB. A length that depended on
# the number of replicas would be too short for the heartbeat of a replica that is slow
# for a moment.
STREAM_LENGTH: Final = 1_000

HeartbeatId = tuple[int, int]
"""A heartbeat's place in the stream: Redis' time in ms, and a counter within the
millisecond."""


@dataclass(frozen=True, slots=True)
class StoredHeartbeat:
    """One heartbeat. `number` counts a replica's heartbeats from 1."""

    id: HeartbeatId
    replica: str
    number: int


class Heartbeats:
    """The stream of one account."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self.key = Keys(account_sid).heartbeat

    async def follow_master(self) -> None:
        """Leaves a server that Sentinel no longer calls the master."""
        with suppress(UpstreamUnavailable):
            # Sentinel may be away while Redis itself answers.
            await self._connections.check_master()

    async def send(self, replica: str, number: int) -> HeartbeatId:
        """Adds a heartbeat over the connections that callbacks are logged by, and
        returns its id. Raises UpstreamUnavailable."""
        args: list[str | int] = [replica, number, STREAM_LENGTH]
        return _parse_id(await self._connections.run(_HEARTBEAT, [self.key], args, READ_TIMEOUT_S))


def parse_heartbeats(
    entries: Iterable[tuple[bytes, dict[bytes, bytes]]],
) -> Iterable[StoredHeartbeat]:
    """The heartbeats in stream entries. An entry that was added by hand, with other
    fields, has a name and number that no replica has."""
    for entry_id, fields in entries:
        number = fields.get(b"n", b"")
        yield StoredHeartbeat(
            _parse_id(entry_id),
            fields.get(b"r", b"").decode(errors="replace"),
            int(number) if number.isdigit() else 0,
        )


def _parse_id(entry_id: bytes) -> HeartbeatId:
    ms, _, counter = entry_id.partition(b"-")
    return int(ms), int(counter)
