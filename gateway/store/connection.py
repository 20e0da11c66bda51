"""Asking Redis: round trips that a crowd shares, scripts, and the border where Redis's errors become ours."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError, RedisError, ResponseError

from gateway.core.errors import FailedPrecondition, UpstreamUnavailable
from gateway.store.addresses import open_route
from gateway.store.routes import ClusterRoute, Command, Limits, Route

WRITE_S: Final = 1.0
"""Twilio gives a callback 2.5 s to be answered: a dead Redis must leave time for a 503."""
READ_S: Final = 0.5

# While one is on its way, the next load gathers.
CARRIERS: Final = 2
LOAD: Final = 256
RENEW_S: Final = 0.5
POLICY_S: Final = 5.0
LOOK_ROUND_S: Final = 0.5


class Script:
    """A Lua script, made of files of `scripts/` in this order: what several scripts share comes first."""

    def __init__(self, *files: str) -> None:
        folder = resources.files("gateway.store") / "scripts"
        self.text = "\n".join((folder / file).read_text() for file in files)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_Waiting = tuple[Sequence[Command], float, asyncio.Future[list[Any]]]
"""Commands, how long their answers are waited for, and these."""


@dataclass(slots=True)
class _Pipeline:
    """What waits to be taken to the server, and who is on the way there."""

    waiting: list[_Waiting] = field(default_factory=list)
    carriers: set[asyncio.Task[Any]] = field(default_factory=set)


class Connections:
    """Every connection of this process to one Redis. Opened on first use; close with `aclose`.

    `commands` never blocks on the server: up to 64 connections, and who comes later waits for one. Reads that wait on the
    server have others, so that they hold up no command. Go through `read`, `run`, `fetch` and `wait`: they keep the time limits,
    find a new master, and turn every failure into UpstreamUnavailable. Raises InvalidArgument for an address that cannot be used.
    """

    def __init__(self, url: str) -> None:
        # Half a second more than `ask` waits: a limit here closes the connection, one there only gives up on it first.
        self._route = open_route(url, Limits(connections=64, answer_s=WRITE_S + 0.5, retries=1))
        # A tail holds one for good, and every account has a tail. It reconnects by itself and must hear of a lost connection:
        # no retry.
        self._blocking = open_route(url, Limits(connections=1_024, answer_s=2.0, retries=0))
        # On a cluster, one for each hash tag: a load goes to one server, and one that is away holds up its own keys only.
        self._lanes: dict[str, _Pipeline] = {}
        self._looked_round_at = float("-inf")

    @property
    def commands(self) -> Redis | RedisCluster:
        return self._route.client

    async def aclose(self) -> None:
        for lane in self._lanes.values():
            for carrier in lane.carriers:
                carrier.cancel()
        await self._route.aclose()
        await self._blocking.aclose()

    async def renew(self) -> None:
        """Whatever is asked next goes over new connections, to whoever is the master then. Raises UpstreamUnavailable."""
        await self.ask(self._route.renew())
        await self.ask(self._blocking.renew())

    async def look_round(self) -> None:
        """Leaves a server that Sentinels do not call the master any more, though it answers. Asks them now and then, however
        often it is called. Raises UpstreamUnavailable."""
        if time.monotonic() - self._looked_round_at < LOOK_ROUND_S:
            return
        self._looked_round_at = time.monotonic()
        await self.ask(self._route.look_round())
        await self.ask(self._blocking.look_round())

    async def fetch(self, key: str, *command: str | int) -> Any:
        """The answer to a command about this key that may be long: it holds up none of those that share a round trip. Raises
        UpstreamUnavailable."""
        return await self.ask(self._route.execute(key, command))

    async def wait(self, key: str, *command: str | int, within_s: float) -> Any:
        """The answer to a command that waits at the server for something under this key. Raises UpstreamUnavailable."""
        try:
            return await self.ask(self._blocking.execute(key, command), within_s)
        except UpstreamUnavailable:
            await _renew(self._blocking)
            raise

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
        return list(await self.ask(self._carried(commands, READ_S)))

    def _carried(self, commands: Sequence[Command], within_s: float) -> asyncio.Future[list[Any]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()
        tag = _hash_tag(commands[0]) if isinstance(self._route, ClusterRoute) else ""
        lane = self._lanes.setdefault(tag, _Pipeline())
        lane.waiting.append((commands, within_s, answer))
        if len(lane.carriers) < CARRIERS:
            lane.carriers.add(loop.create_task(self._carry(lane)))
        return answer

    async def _carry(self, lane: _Pipeline) -> None:
        """Takes all that wait to the server, and comes back for those who came meanwhile."""
        try:
            while lane.waiting:
                # Who has given up waiting is not to be served behind his back.
                waiting = [each for each in lane.waiting if not each[2].done()]
                load, lane.waiting = waiting[:LOAD], waiting[LOAD:]
                if load:
                    await self._bring(load)
        finally:
            # In the same step as the last look: nobody who comes now may count on a carrier who has left.
            lane.carriers -= {asyncio.current_task()}

    async def _bring(self, load: Sequence[_Waiting]) -> None:
        """Sends the load, and gives each its answers."""
        try:
            # No longer than anybody waits for it: others wait for the carrier.
            async with asyncio.timeout(max(within_s for _, within_s, _ in load)):
                found = iter(
                    await self._route.send(
                        [command for commands, _, _ in load for command in commands]
                    )
                )
        except (RedisError, OSError, TimeoutError) as exc:
            for _, _, answer in load:
                if not answer.done():
                    answer.set_exception(exc)
            await _renew(self._route)
            return
        for commands, _, answer in load:
            mine = [next(found) for _ in commands]
            if not answer.done():
                answer.set_result(mine)

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[str | bytes | int],
        within_s: float = WRITE_S,
    ) -> Any:
        """The script's answer. Atomic; a server that forgot the script is given it again. Shares its round trip as `read` does.
        Raises UpstreamUnavailable."""
        return await self.ask(self._run(script, keys, args, within_s), within_s)

    async def check_policy(self) -> None:
        """Raises FailedPrecondition when a server that is a master, or may become one, may throw keys away by itself: the log
        would lose entries unannounced."""
        # Not CONFIG GET, which most hosted servers refuse.
        for memory in await self.ask(self._route.memory(), POLICY_S):
            policy = memory.get("maxmemory_policy")
            if policy != "noeviction":
                raise FailedPrecondition(
                    f"Redis runs with maxmemory-policy {policy}, which may drop the event log; set it to noeviction, "
                    "or GATEWAY_ALLOW_EVICTION=1 to take the risk"
                )

    async def _run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[str | bytes | int],
        within_s: float,
    ) -> Any:
        [answer] = await self._carried([("EVALSHA", script.sha, len(keys), *keys, *args)], within_s)
        if isinstance(answer, NoScriptError):
            # A server that was restarted, or one that took over from another.
            [answer] = await self._carried(
                [("EVAL", script.text, len(keys), *keys, *args)], within_s
            )
        if isinstance(answer, RedisError):
            raise answer
        return answer


async def _renew(route: Route) -> None:
    """One connection that gave no answer may be one of many: a line that swallows everything, a master that is none."""
    with suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(RENEW_S):
            await route.renew()


def _hash_tag(command: Command) -> str:
    """What stands in braces in the command's first key; the whole key where there are none."""
    key = command[3] if command[0] in ("EVALSHA", "EVAL") else command[1]
    text = key.decode() if isinstance(key, bytes) else str(key)
    return text.partition("{")[2].partition("}")[0] or text
