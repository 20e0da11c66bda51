import asyncio

import pytest

from gateway.core.errors import NotFound, UpstreamUnavailable
from gateway.service.cache.fetch_lease import MISS, FetchLease, Miss
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.leases import Lease, Leases
from tests.service.conftest import ACCOUNT, wait_until


class SharedValue:
    """A value that several replicas want. A fetch waits for the gate, then stores it
    for all."""

    def __init__(self) -> None:
        self.fetches = 0
        self.look_ups = 0
        self.gate = asyncio.Event()
        self.fault: Exception | None = None
        self.stored: int | None = None

    async def look_up(self) -> int | Miss:
        self.look_ups += 1
        return MISS if self.stored is None else self.stored

    async def fetch(self) -> int:
        self.fetches += 1
        number = self.fetches
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.stored = number
        return number


def replica(connections: Connections, *, is_unavailable: bool = False) -> FetchLease:
    return FetchLease(Leases(connections, ACCOUNT), lambda: is_unavailable)


async def once(replica: FetchLease, value: SharedValue, *, is_urgent: bool = True) -> int:
    async with asyncio.timeout(5):
        return await replica.once("value", value.look_up, value.fetch, is_urgent=is_urgent)


async def test_i18_one_replica_fetches_and_the_others_find_the_value(
    connections: Connections,
) -> None:
    value = SharedValue()
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(once(replica(connections), value)) for _ in range(5)]
        await wait_until(lambda: value.look_ups >= 10)
        value.gate.set()
    assert [task.result() for task in calls] == [1] * 5
    assert value.fetches == 1


async def test_after_a_failed_fetch_the_next_replica_fetches(connections: Connections) -> None:
    value = SharedValue()
    value.fault = NotFound("no")
    value.gate.set()
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(asyncio.wait([group.create_task(failing(connections, value))]))
            for _ in range(3)
        ]
    assert len(calls) == value.fetches == 3
    assert await connections.commands.exists(Keys(ACCOUNT).lease("fetch:value")) == 0


async def failing(connections: Connections, value: SharedValue) -> None:
    with pytest.raises(NotFound):
        await once(replica(connections), value)


async def test_p11_the_others_wait_for_a_dead_replica_until_its_lease_expires(
    connections: Connections,
) -> None:
    value = SharedValue()
    value.gate.set()
    await Leases(connections, ACCOUNT).take("fetch:value", "a dead replica", 30)
    found = await asyncio.gather(*(once(replica(connections), value) for _ in range(3)))
    assert (found, value.fetches) == ([1] * 3, 1)


async def test_a_cancelled_fetch_releases_the_lease(connections: Connections) -> None:
    value = SharedValue()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(once(replica(connections), value))
        await wait_until(lambda: value.fetches == 1)
        first.cancel()
        second = group.create_task(once(replica(connections), value))
        await wait_until(lambda: value.fetches == 2)
        value.gate.set()
    assert second.result() == 2


class Hanging(Leases):
    """Takes leases and never returns."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections, ACCOUNT)
        self.has_taken = asyncio.Event()

    async def take(self, name: str, owner: str, lifetime_ms: int) -> Lease:
        await super().take(name, owner, lifetime_ms)
        self.has_taken.set()
        lease: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        return await lease


async def test_a_call_that_is_cancelled_while_it_takes_the_lease_releases_it(
    connections: Connections,
) -> None:
    leases = Hanging(connections)
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(once(FetchLease(leases, lambda: False), SharedValue()))
        await leases.has_taken.wait()
        leaving.cancel()
    assert await connections.commands.exists(Keys(ACCOUNT).lease("fetch:value")) == 0


async def test_a_fetch_that_is_not_urgent_does_not_wait(connections: Connections) -> None:
    value = SharedValue()
    async with asyncio.TaskGroup() as group:
        group.create_task(once(replica(connections), value))
        await wait_until(lambda: value.fetches == 1)
        with pytest.raises(UpstreamUnavailable):
            await once(replica(connections), value, is_urgent=False)
        value.gate.set()
    assert await once(replica(connections), value, is_urgent=False) == 1


async def test_without_redis_every_replica_fetches() -> None:
    dead, value = Connections("redis://127.0.0.1:1"), SharedValue()
    value.gate.set()
    assert await asyncio.gather(*(once(replica(dead), value) for _ in range(2))) == [1, 2]
    await dead.aclose()


async def test_while_twilio_is_unavailable_no_replica_waits(connections: Connections) -> None:
    value = SharedValue()
    value.fault = UpstreamUnavailable("Twilio does not answer")
    value.gate.set()
    before = (await connections.commands.info("stats"))["total_commands_processed"]
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable):
            await once(replica(connections, is_unavailable=True), value)
    assert value.fetches == 3
    assert (await connections.commands.info("stats"))["total_commands_processed"] == before + 1


async def test_a_look_up_that_redis_does_not_answer_is_a_miss(connections: Connections) -> None:
    value = SharedValue()
    value.gate.set()

    async def look_up() -> int | Miss:
        raise UpstreamUnavailable("Redis gave no answer")

    value.look_up = look_up  # type: ignore[method-assign]
    assert await once(replica(connections), value) == 1
