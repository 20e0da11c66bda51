"""Shares round trips to Redis: concurrent commands go to the server in one pipeline.

Many callers cost few round trips, and the more there are, the less each of them costs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from redis.exceptions import RedisError

from gateway.store.routes import ClusterRoute, Command, Route, try_reconnect

# While one pipeline is in flight, commands gather for the other.
IN_FLIGHT_LIMIT: Final = 2
# Callers that share one pipeline at most.
CALLS_LIMIT: Final = 256


@dataclass(slots=True)
class _Call:
    """One caller's commands, which go into the same pipeline."""

    commands: Sequence[Command]
    timeout_s: float
    replies: asyncio.Future[list[Any]]


@dataclass(slots=True)
class _Queue:
    """The calls that wait for a pipeline, and the tasks that send pipelines."""

    calls: list[_Call] = field(default_factory=list)
    senders: set[asyncio.Task[Any]] = field(default_factory=set)


class Pipelines:
    """The pipelines of one route."""

    def __init__(self, route: Route) -> None:
        self._route = route
        # By hash tag on a cluster, so that a pipeline goes to one server, and a server
        # that is down delays its own keys only.
        self._queues: dict[str, _Queue] = {}

    def send(self, commands: Sequence[Command], timeout_s: float) -> asyncio.Future[list[Any]]:
        """Returns a future of the replies, in the order of the commands.

        A failed command has a ResponseError as its reply. The future fails with
        RedisError, OSError or TimeoutError when the whole pipeline fails. The caller
        cancels it when it stops waiting.
        """
        loop = asyncio.get_running_loop()
        call = _Call(commands, timeout_s, loop.create_future())
        tag = _hash_tag(commands[0]) if isinstance(self._route, ClusterRoute) else ""
        queue = self._queues.setdefault(tag, _Queue())
        queue.calls.append(call)
        if len(queue.senders) < IN_FLIGHT_LIMIT:
            queue.senders.add(loop.create_task(self._send_all(queue)))
        return call.replies

    def close(self) -> None:
        """Cancels the pipelines that are in flight."""
        for queue in self._queues.values():
            for sender in queue.senders:
                sender.cancel()

    async def _send_all(self, queue: _Queue) -> None:
        """Sends pipelines until no call waits."""
        try:
            while queue.calls:
                # Skip calls whose caller has timed out.
                waiting = [call for call in queue.calls if not call.replies.done()]
                calls, queue.calls = waiting[:CALLS_LIMIT], waiting[CALLS_LIMIT:]
                if calls:
                    await self._send(calls)
        finally:
            # Without an await after the last look at the queue: a call that comes now
            # starts a new sender.
            queue.senders -= {asyncio.current_task()}

    async def _send(self, calls: Sequence[_Call]) -> None:
        commands = [command for call in calls for command in call.commands]
        try:
            # No longer than the most patient caller waits, because other calls wait for
            # this task.
            async with asyncio.timeout(max(call.timeout_s for call in calls)):
                replies = iter(await self._route.pipeline(commands))
        except (RedisError, OSError, TimeoutError) as exc:
            for call in calls:
                if not call.replies.done():
                    call.replies.set_exception(exc)
            await try_reconnect(self._route)
            return
        for call in calls:
            own = [next(replies) for _ in call.commands]
            if not call.replies.done():
                call.replies.set_result(own)


def _hash_tag(command: Command) -> str:
    """Returns the hash tag of the command's first key, or the whole key without braces.

    https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
    """
    key = command[3] if command[0] in ("EVALSHA", "EVAL") else command[1]
    text = key.decode() if isinstance(key, bytes) else str(key)
    return text.partition("{")[2].partition("}")[0] or text
