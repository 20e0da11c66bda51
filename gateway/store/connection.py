"""The way to Redis: two pools with limits, scripts, and the border where Redis's errors become ours."""

import asyncio
import hashlib
from collections.abc import Awaitable, Sequence
from importlib import resources
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from gateway.core.errors import FailedPrecondition, InvalidArgument, UpstreamUnavailable

WRITE_S: Final = 1.0
"""Twilio gives a callback 2.5 s to be answered: a dead Redis must leave time for a 503."""
READ_S: Final = 1.0
Command = tuple[str | bytes | int, ...]
"""A Redis command with its arguments."""

# While one is on its way, the next load gathers.
CARRIERS: Final = 2
LOAD: Final = 256
_CONNECT_S: Final = 0.4
_SCHEMES: Final = ("redis://", "rediss://", "unix://")


class Script:
    """A Lua script, made of files of `scripts/` in this order: what several scripts share comes first."""

    def __init__(self, *files: str) -> None:
        folder = resources.files("gateway.store") / "scripts"
        self.text = "\n".join((folder / file).read_text() for file in files)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class Connections:
    """Every connection of this process to one Redis. Opened on first use; close with `aclose`.

    `commands` never blocks on the server: up to 64 connections, and who comes later waits for one. `blocking` is for
    reads that wait on the server, so that they hold up no command. Go through `ask` and `run`: they keep the time limits and
    turn every failure into UpstreamUnavailable.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(_SCHEMES):
            raise InvalidArgument("GATEWAY_REDIS_URL has an unknown scheme; give redis://, rediss:// or unix://")
        # Half a second more than `ask` waits: a limit here closes the connection, one there only gives up on it first.
        self.commands: Redis = _client(url, connections=64, answer_s=WRITE_S + 0.5, retries=1)
        # The tail reconnects by itself and must hear of a lost connection: no retry.
        self.blocking: Redis = _client(url, connections=8, answer_s=2.0, retries=0)
        self._waiting: list[tuple[Sequence[Command], asyncio.Future[list[Any]]]] = []
        self._carriers: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        for carrier in self._carriers:
            carrier.cancel()
        await self.commands.aclose(close_connection_pool=True)
        await self.blocking.aclose(close_connection_pool=True)

    async def ask(self, answer: Awaitable[Any], within_s: float = READ_S) -> Any:
        """The answer to a command or pipeline of one of the two clients. Raises UpstreamUnavailable."""
        try:
            async with asyncio.timeout(within_s):
                return await answer
        except ResponseError as exc:
            # Out of memory, read-only, a key of the wrong type. Its words may name keys: they are for the log only.
            raise UpstreamUnavailable("Redis refused a command") from exc
        except (RedisError, OSError, TimeoutError) as exc:
            raise UpstreamUnavailable("Redis gave no answer") from exc

    async def read(self, *commands: Command) -> list[Any]:
        """The answers to these commands, in one round trip and in this order; a ResponseError for one that failed.

        Asked together with whatever else is asked in the same moment: a crowd costs few round trips, and the larger it
        grows the less each of its members costs. Raises UpstreamUnavailable.
        """
        return list(await self.ask(self._carried(commands)))

    def _carried(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()
        self._waiting.append((commands, answer))
        if len(self._carriers) < CARRIERS:
            carrier = loop.create_task(self._carry())
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)
        return answer

    async def _carry(self) -> None:
        """Takes all that wait to the server, and comes back for those who came meanwhile."""
        while self._waiting:
            # Who has given up waiting is not to be served behind his back.
            waiting = [each for each in self._waiting if not each[1].done()]
            load, self._waiting = waiting[:LOAD], waiting[LOAD:]
            pipeline = self.commands.pipeline(transaction=False)
            for commands, _ in load:
                for command in commands:
                    pipeline.execute_command(*command)
            try:
                async with asyncio.timeout(WRITE_S):
                    found = iter(await pipeline.execute(raise_on_error=False))
            except (RedisError, OSError, TimeoutError) as exc:
                for _, answer in load:
                    if not answer.done():
                        answer.set_exception(exc)
                continue
            for commands, answer in load:
                mine = [next(found) for _ in commands]
                if not answer.done():
                    answer.set_result(mine)

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int], within_s: float = WRITE_S
    ) -> Any:
        """The script's answer. Atomic; a server that forgot the script is given it again. Shares its round trip as `read` does.
        Raises UpstreamUnavailable."""
        return await self.ask(self._run(script, keys, args), within_s)

    async def check_policy(self) -> None:
        """Raises FailedPrecondition when the server may throw keys away by itself: the log would lose entries unannounced."""
        # Not CONFIG GET, which most hosted servers refuse.
        policy = (await self.ask(self.commands.info("memory"))).get("maxmemory_policy")
        if policy != "noeviction":
            raise FailedPrecondition(
                f"Redis runs with maxmemory-policy {policy}, which may drop the event log; set it to noeviction, "
                "or GATEWAY_ALLOW_EVICTION=1 to take the risk"
            )

    async def _run(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        [answer] = await self._carried([("EVALSHA", script.sha, len(keys), *keys, *args)])
        if isinstance(answer, NoScriptError):
            # By a carrier as well: who gives up waiting must not break a connection in the midst of an answer.
            [answer] = await self._carried([("EVAL", script.text, len(keys), *keys, *args)])
        if isinstance(answer, RedisError):
            raise answer
        return answer


def _client(url: str, *, connections: int, answer_s: float, retries: int) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=WRITE_S,
        socket_connect_timeout=_CONNECT_S,
        socket_timeout=answer_s,
        # Only for a connection that the server closed while it lay in the pool: all our commands may be repeated.
        # redis-py's own default is ten tries with pauses, which is longer than any caller waits.
        retry=Retry(NoBackoff(), retries, supported_errors=(RedisConnectionError,)),
        protocol=2,
        driver_info=None,
    )
    return Redis(connection_pool=pool)
