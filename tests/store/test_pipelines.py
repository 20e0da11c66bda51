import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from gateway.core.errors import UpstreamUnavailable
from gateway.store.connection import Connections
from gateway.store.pipelines import IN_FLIGHT_LIMIT, Pipelines
from gateway.store.routes import Command, ServerRoute
from tests.service.conftest import in_time, wait_until


class HeldRoute(ServerRoute):
    """A route whose pipelines get their replies when the test releases them."""

    def __init__(self, connections: Connections) -> None:
        assert isinstance(connections.commands, Redis)
        super().__init__(connections.commands)
        self.pipelines: list[asyncio.Future[None]] = []
        self.sent: list[Sequence[Command]] = []

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        self.sent.append(commands)
        self.pipelines.append(asyncio.get_running_loop().create_future())
        await self.pipelines[-1]
        return [f"{name!s} {key!s}" for name, key in commands]

    async def reconnect(self) -> None:
        pass

    def has_sent(self, count: int) -> bool:
        return len(self.pipelines) == count


@pytest.fixture
def route(connections: Connections) -> HeldRoute:
    return HeldRoute(connections)


async def test_concurrent_calls_share_pipelines(redis_url: str) -> None:
    connections = Connections(redis_url)
    await asyncio.gather(*(connections.commands.set(f"k{n}", n) for n in range(3)))
    replies = await asyncio.gather(
        *(connections.pipeline(("GET", f"k{n % 3}"), ("GET", "none")) for n in range(300))
    )
    used = [client for client in await connections.commands.client_list() if client["cmd"] == "get"]
    await connections.aclose()
    assert replies == [[str(n % 3).encode(), None] for n in range(300)]
    assert 1 <= len(used) <= IN_FLIGHT_LIMIT


async def test_failed_command_leaves_the_others_of_its_pipeline_alone(
    connections: Connections,
) -> None:
    await connections.commands.set("text", "x")
    wrong, right = await asyncio.gather(
        connections.pipeline(("HGET", "text", "field")),
        connections.pipeline(("GET", "text"), ("GET", "none")),
    )
    assert isinstance(wrong[0], ResponseError)
    assert right == [b"x", None]


async def test_cancelled_caller_does_not_affect_the_others(connections: Connections) -> None:
    await connections.commands.set("k", "v")
    cancelled = asyncio.get_running_loop().create_task(connections.pipeline(("GET", "k")))
    other = asyncio.get_running_loop().create_task(connections.pipeline(("GET", "k")))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await other == [b"v"]


async def test_call_that_timed_out_is_not_sent(route: HeldRoute) -> None:
    pipelines = Pipelines(route)
    for number in range(1, IN_FLIGHT_LIMIT + 1):
        pipelines.send([("GET", "k")], 60)
        await wait_until(partial(route.has_sent, number))
    timed_out, patient = pipelines.send([("GET", "a")], 60), pipelines.send([("GET", "b")], 60)
    timed_out.cancel()
    for pipeline in route.pipelines:
        pipeline.set_result(None)
    await wait_until(lambda: len(route.pipelines) == IN_FLIGHT_LIMIT + 1)
    route.pipelines[-1].set_result(None)
    assert await in_time(patient) == ["GET b"]
    assert route.sent[-1] == [("GET", "b")]


async def test_call_is_sent_when_the_last_senders_end_at_the_same_time(route: HeldRoute) -> None:
    pipelines = Pipelines(route)

    async def get(times: int) -> list[Any]:
        return [await pipelines.send([("GET", "x")], 60) for _ in range(times)]

    async with asyncio.TaskGroup() as group:
        twice = group.create_task(get(2))
        await wait_until(lambda: len(route.pipelines) == 1)
        once = group.create_task(get(1))
        await wait_until(lambda: len(route.pipelines) == IN_FLIGHT_LIMIT)
        for pipeline in route.pipelines:
            pipeline.set_result(None)  # Both senders continue in the same step.
        await wait_until(lambda: len(route.pipelines) == IN_FLIGHT_LIMIT + 1)
        route.pipelines[-1].set_result(None)
    assert (len(twice.result()), len(once.result())) == (2, 1)


async def test_every_call_of_a_failed_pipeline_fails(route: HeldRoute) -> None:
    pipelines = Pipelines(route)
    calls = [pipelines.send([("GET", "k")], 60) for _ in range(5)]
    await wait_until(lambda: len(route.pipelines) == 1)
    route.pipelines[0].set_exception(RedisConnectionError("closed"))
    failures = await in_time(asyncio.gather(*calls, return_exceptions=True))
    assert [type(failure) for failure in failures] == [RedisConnectionError] * 5


async def test_every_call_fails_when_redis_is_down() -> None:
    connections = Connections("redis://127.0.0.1:1")
    failures = await asyncio.gather(
        *(connections.pipeline(("GET", "k")) for _ in range(5)), return_exceptions=True
    )
    assert [type(failure) for failure in failures] == [UpstreamUnavailable] * 5
    await connections.aclose()


async def test_pipeline_times_out_when_its_most_patient_caller_does(route: HeldRoute) -> None:
    """Otherwise a hanging Redis would delay the next calls for longer than any of these
    waits."""
    pipelines = Pipelines(route)
    calls = [pipelines.send([("GET", "k")], timeout_s) for timeout_s in (0.001, 0.01)]
    failures = await in_time(asyncio.gather(*calls, return_exceptions=True))
    assert [type(failure) for failure in failures] == [TimeoutError] * 2
    assert route.pipelines[0].cancelled()
