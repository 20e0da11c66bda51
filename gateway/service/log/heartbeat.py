"""Whether this process still hears what it says: a beat goes out over the connections that callbacks are logged by, and must
come back over the one that the log is read from. So a reader that hangs on a server which is the master no more is found out,
though it is answered; and every replica knows how many there are."""

import asyncio
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress

import structlog

from gateway.core.errors import UpstreamUnavailable
from gateway.store.eventlog import Beat, BeatId, EventLog

log = structlog.get_logger()

BEAT_S = 1.0
# A reader is lost whose own beat has not come back for so long.
LOST_S = 3.0
# Sooner than that it looks for Redis anew, so that it need never be lost.
DOUBT_S = 1.5


class Heartbeat:
    """`run` beats until it is cancelled and survives Redis' outages. `is_redis_away`: the last beat found nobody."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._name = secrets.token_hex(8)
        self._number = 0
        self._sent: dict[int, float] = {}
        self._replicas: dict[str, float] = {}
        self._came_back_at = float("-inf")
        self._doubted_at = float("-inf")
        self.after: BeatId | None = None
        """Up to here, the stream of beats has been read."""
        self.is_redis_away = False

    @property
    def is_heard(self) -> bool:
        """Whether a beat of the last seconds has come back."""
        return time.monotonic() - self._came_back_at <= LOST_S

    @property
    def replicas(self) -> int:
        """How many replicas, this one among them, were heard in the last seconds."""
        since = time.monotonic() - LOST_S
        return len(
            {self._name} | {name for name, heard_at in self._replicas.items() if heard_at >= since}
        )

    def is_in_doubt(self) -> bool:
        """Whether beats go out and none comes back. Said once for every time that none came for so long."""
        now = time.monotonic()
        if self.is_redis_away or now - max(self._came_back_at, self._doubted_at) <= DOUBT_S:
            return False
        self._doubted_at = now
        return True

    async def run(self) -> None:
        while True:
            with suppress(UpstreamUnavailable):
                await self.beat()
            await asyncio.sleep(BEAT_S)

    async def begin(self) -> None:
        """Beats for a reader that begins now: it gets its time before it is doubted. Raises UpstreamUnavailable."""
        await self.beat()
        self._doubted_at = time.monotonic()

    async def beat(self) -> None:
        """Raises UpstreamUnavailable."""
        with suppress(UpstreamUnavailable):
            # Who does not know who is the master is no help; perhaps the server itself answers.
            await self._events.look_round()
        self._number += 1
        number, sent_at = self._number, time.monotonic()
        self._sent[number] = sent_at
        try:
            ms, sequence = await self._events.beat(self._name, number)
        except UpstreamUnavailable:
            self.is_redis_away = True
            raise
        self.is_redis_away = False
        if self._came_back_at == float("-inf"):
            # Nobody is lost who has only just begun.
            self._came_back_at = sent_at
        # What was said lately tells who is there. And a stream that is behind what is known of it is another one.
        is_read_past = (
            number in self._sent and self.after is not None and (ms, sequence) <= self.after
        )
        if self.after is None or is_read_past:
            self.after = (ms - round(LOST_S * 1000), 0)

    def hear(self, beats: Iterable[Beat]) -> None:
        """Takes in what was read behind `after`."""
        now = time.monotonic()
        for beat in beats:
            self.after = beat.id
            self._replicas[beat.replica] = now
            if beat.replica == self._name and beat.number in self._sent:
                self._came_back_at = max(self._came_back_at, self._sent[beat.number])
        self._sent = {
            number: at
            for number, at in self._sent.items()
            if at > max(self._came_back_at, now - LOST_S)
        }
        self._replicas = {name: at for name, at in self._replicas.items() if at >= now - LOST_S}
