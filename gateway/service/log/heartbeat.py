"""Checks that this process reads from the Redis server that it writes to.

A heartbeat is sent over the connections that callbacks are logged by, and must arrive
over the connection that the log is read from. So a reader whose server is no longer the
master is detected, although that server answers. The heartbeats also tell each replica
how many there are.
"""

import asyncio
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress

from gateway.core.errors import UpstreamUnavailable
from gateway.service.log.timings import LogTimings
from gateway.store.heartbeats import HeartbeatId, Heartbeats, StoredHeartbeat


class Heartbeat:
    """`run` sends heartbeats until it is cancelled, and survives outages of Redis.

    `is_redis_away` is True if the last heartbeat could not be sent.
    """

    def __init__(self, heartbeats: Heartbeats, timings: LogTimings = LogTimings()) -> None:
        self._heartbeats = heartbeats
        self._timings = timings
        self._replica = secrets.token_hex(8)
        self._number = 0
        self._sent_at: dict[int, float] = {}
        self._replicas: dict[str, float] = {}
        self._returned_at = float("-inf")
        """When the newest heartbeat that came back was sent."""
        self._reconnect_at = float("-inf")
        self.after: HeartbeatId | None = None
        """The stream of heartbeats has been read up to here."""
        self.is_redis_away = False

    @property
    def is_received(self) -> bool:
        """Whether a heartbeat of the last seconds has come back."""
        return time.monotonic() - self._returned_at <= self._timings.lost_s

    @property
    def replicas(self) -> int:
        """How many replicas sent heartbeats in the last seconds, with this one."""
        since = time.monotonic() - self._timings.lost_s
        alive = {name for name, at in self._replicas.items() if at >= since}
        return len({self._replica} | alive)

    def should_reconnect(self) -> bool:
        """Whether no heartbeat comes back. True at most once in `reconnect_s`."""
        now = time.monotonic()
        last = max(self._returned_at, self._reconnect_at)
        if self.is_redis_away or now - last <= self._timings.reconnect_s:
            return False
        self._reconnect_at = now
        return True

    async def run(self) -> None:
        while True:
            with suppress(UpstreamUnavailable):
                await self.send()
            await asyncio.sleep(self._timings.heartbeat_s)

    async def start(self) -> None:
        """Sends a heartbeat for a reader that starts now: it has time to receive it
        before it reconnects. Raises UpstreamUnavailable."""
        await self.send()
        self._reconnect_at = time.monotonic()

    async def send(self) -> None:
        """Raises UpstreamUnavailable."""
        await self._heartbeats.follow_master()
        self._number += 1
        number, sent_at = self._number, time.monotonic()
        self._sent_at[number] = sent_at
        try:
            ms, counter = await self._heartbeats.send(self._replica, number)
        except UpstreamUnavailable:
            self.is_redis_away = True
            raise
        self.is_redis_away = False
        if self._returned_at == float("-inf"):
            # A process that has just started is not lost.
            self._returned_at = sent_at
        # Start with the heartbeats of the last seconds: they show which replicas are
        # alive. Also start again when a new heartbeat has an id at or below the last
        # one read: then Redis has another heartbeat stream than before.
        is_passed = (
            number in self._sent_at and self.after is not None and (ms, counter) <= self.after
        )
        if self.after is None or is_passed:
            self.after = (ms - round(self._timings.lost_s * 1000), 0)

    def receive(self, heartbeats: Iterable[StoredHeartbeat]) -> None:
        """Takes in the heartbeats that were read after `after`."""
        now = time.monotonic()
        for heartbeat in heartbeats:
            self.after = heartbeat.id
            self._replicas[heartbeat.replica] = now
            if heartbeat.replica == self._replica and heartbeat.number in self._sent_at:
                self._returned_at = max(self._returned_at, self._sent_at[heartbeat.number])
        since = now - self._timings.lost_s
        self._sent_at = {
            number: at for number, at in self._sent_at.items() if at > max(self._returned_at, since)
        }
        self._replicas = {name: at for name, at in self._replicas.items() if at >= since}
