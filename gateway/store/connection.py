"""Sends commands and scripts to Redis, and turns Redis's errors into the gateway's."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Sequence
from importlib import resources
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError, RedisError, ResponseError

from gateway.core.errors import FailedPrecondition, UpstreamUnavailable
from gateway.store.addresses import open_route
from gateway.store.pipelines import Pipelines
from gateway.store.routes import Command, Limits, try_reconnect

# Twilio gives a callback 2.5 s, so a dead Redis must leave time for a 503.
WRITE_TIMEOUT_S: Final = 1.0
READ_TIMEOUT_S: Final = 0.5
MEMORY_INFO_TIMEOUT_S: Final = 5.0
# The Sentinels are asked for the master at most this often.
MASTER_CHECK_INTERVAL_S: Final = 0.5


class Script:
    """A Lua script that consists of files of `scripts/`, in this order."""

    def __init__(self, *files: str) -> None:
        folder = resources.files("gateway.store") / "scripts"
        self.text = "\n".join((folder / file).read_text() for file in files)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class Connections:
    """All connections of this process to one Redis.

    They are opened on first use; close them with `aclose`. Blocking commands have a
    connection pool of their own, so that they delay no other command. Every method that
    sends something has a timeout, follows a failover, and turns each failure into
    UpstreamUnavailable. `commands` is the redis-py client without any of that.

    Raises InvalidArgument for a URL that cannot be used.
    """

    def __init__(self, url: str) -> None:
        # The timeout here closes the connection, so it is longer than that of `reply`,
        # which only stops waiting.
        limits = Limits(connections=64, reply_timeout_s=WRITE_TIMEOUT_S + 0.5, retries=1)
        self._route = open_route(url, limits)
        self._pipelines = Pipelines(self._route)
        # The tail of each account keeps one connection all the time. It reconnects by
        # itself and must see that its connection was lost: no retry.
        blocking = Limits(connections=1_024, reply_timeout_s=2.0, retries=0)
        self._blocking_route = open_route(url, blocking)
        self._master_checked_at = float("-inf")

    @property
    def commands(self) -> Redis | RedisCluster:
        return self._route.client

    async def aclose(self) -> None:
        self._pipelines.close()
        await self._route.aclose()
        await self._blocking_route.aclose()

    async def pipeline(self, *commands: Command) -> list[Any]:
        """Sends the commands in one round trip and returns the replies in this order.

        The round trip is shared with other callers. A failed command has a
        ResponseError as its reply. Raises UpstreamUnavailable.
        """
        replies = self._pipelines.send(commands, READ_TIMEOUT_S)
        return list(await self.reply(replies))

    async def bulk_pipeline(self, *commands: Command) -> list[Any]:
        """Like `pipeline`, but shares the round trip with no other caller.

        Use it for long replies, which would delay the others. On a cluster, all
        commands must be about one account. Raises UpstreamUnavailable.
        """
        return list(await self.reply(self._route.pipeline(commands), WRITE_TIMEOUT_S))

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[str | bytes | int],
        timeout_s: float = WRITE_TIMEOUT_S,
    ) -> Any:
        """Runs the script and returns its reply.

        The round trip is shared with other callers. A server that does not know the
        script gets its text. Raises UpstreamUnavailable; the script may have run then.
        """
        return await self.reply(self._run(script, keys, args, timeout_s), timeout_s)

    async def execute(self, key: str, *command: str | int) -> Any:
        """Returns the reply to a command on `key` that shares no round trip.

        Use it for long replies, which would delay the others. Raises
        UpstreamUnavailable.
        """
        return await self.reply(self._route.execute(key, command))

    async def execute_blocking(self, key: str, *command: str | int, timeout_s: float) -> Any:
        """Returns the reply to a command on `key` that blocks on the server.

        Raises UpstreamUnavailable.
        """
        try:
            return await self.reply(self._blocking_route.execute(key, command), timeout_s)
        except UpstreamUnavailable:
            await try_reconnect(self._blocking_route)
            raise

    async def reply(self, reply: Awaitable[Any], timeout_s: float = READ_TIMEOUT_S) -> Any:
        """Returns the reply that redis-py's awaitable gives.

        Raises UpstreamUnavailable.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await reply
        except ResponseError as exc:
            # Out of memory, read-only, a key of the wrong type. The error may name
            # keys, so it stays out of the message.
            raise UpstreamUnavailable("Redis refused a command") from exc
        except (RedisError, OSError, TimeoutError) as exc:
            raise UpstreamUnavailable("Redis did not reply") from exc

    async def reconnect(self) -> None:
        """Sends the next commands over new connections to the current master.

        Raises UpstreamUnavailable.
        """
        await self.reply(self._route.reconnect())
        await self.reply(self._blocking_route.reconnect())

    async def check_master(self) -> None:
        """Leaves a server that responds but that the Sentinels do not call the master.

        Calls within `MASTER_CHECK_INTERVAL_S` of the last check do nothing. Raises
        UpstreamUnavailable.
        """
        if time.monotonic() - self._master_checked_at < MASTER_CHECK_INTERVAL_S:
            return
        self._master_checked_at = time.monotonic()
        await self.reply(self._route.check_master())
        await self.reply(self._blocking_route.check_master())

    async def check_eviction_policy(self) -> None:
        """Checks that no server that is or may become a master evicts keys.

        An eviction would silently drop entries of the event log. Raises
        FailedPrecondition and UpstreamUnavailable.
        """
        # INFO and not CONFIG GET, which most hosted servers refuse.
        for memory in await self.reply(self._route.memory_info(), MEMORY_INFO_TIMEOUT_S):
            policy = memory.get("maxmemory_policy")
            if policy != "noeviction":
                raise FailedPrecondition(
                    f"Redis has maxmemory-policy {policy}, which may evict the event log: "
                    "set it to noeviction, or accept the risk with GATEWAY_ALLOW_EVICTION=1"
                )

    async def _run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[str | bytes | int],
        timeout_s: float,
    ) -> Any:
        arguments = (len(keys), *keys, *args)
        [reply] = await self._pipelines.send([("EVALSHA", script.sha, *arguments)], timeout_s)
        if isinstance(reply, NoScriptError):
            # The server was restarted, or took over from another one.
            [reply] = await self._pipelines.send([("EVAL", script.text, *arguments)], timeout_s)
        if isinstance(reply, RedisError):
            raise reply
        return reply
