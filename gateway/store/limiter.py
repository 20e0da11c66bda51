"""Twilio's quota as a budget that all replicas share. The arithmetic is that of `core/ratelimit`."""

from typing import Final

from gateway.core.ratelimit import Rate, Verdict
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys, RateKind

_TAKE: Final = Script("head.lua", "take.lua")

TAKE_S: Final = 1.0


class Limiter:
    """Judges by the clock of the Redis server, so that replicas need not agree on the time.

    When that clock steps back, what was promised moves back with it: nobody waits longer and nobody passes early. When it
    steps forward, as much of the burst as it skipped is there at once: at most one burst above the rate for each step.
    """

    def __init__(self, connections: Connections, *, within_s: float = TAKE_S) -> None:
        self._connections = connections
        self._within_s = within_s

    async def take(self, account_sid: AccountSid, kind: RateKind, rate: Rate, patience_us: int = 0) -> Verdict:
        """May one more request of this kind pass, if it is ready to wait so long? See `core.ratelimit.judge`; a pause counts
        as waiting. One round trip. Raises UpstreamUnavailable."""
        keys = Keys(account_sid)
        is_allowed, whole_at_us, wait_us = await self._connections.run(
            _TAKE,
            [keys.rate(kind), keys.pause(kind)],
            [rate.interval_us, rate.burst, patience_us],
            self._within_s,
        )
        return Verdict(bool(is_allowed), int(whole_at_us), int(wait_us))

    async def pause(self, account_sid: AccountSid, kind: RateKind, ms: int) -> None:
        """Nobody passes for so long, because Twilio said 429. A longer pause that is on already stays."""
        if ms <= 0:
            return
        key = Keys(account_sid).pause(kind)
        pipeline = self._connections.commands.pipeline(transaction=True)
        pipeline.set(key, "", px=ms, nx=True)
        pipeline.pexpire(key, ms, gt=True)
        await self._connections.ask(pipeline.execute(), self._within_s)
