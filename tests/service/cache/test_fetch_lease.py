import asyncio

import pytest

from gateway.core.errors import NotFound, UpstreamUnavailable
from gateway.service.cache.fetch_lease import MISS, FetchLease, Miss
from gateway.service.cache.timings import CacheTimings
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.leases import Lease, Leases
from tests.service.conftest import ACCOUNT, until


class Answer:
    """One answer that several replicas want: fetched behind a gate, and then there for all."""

    def __init__(self) -> None:
        self.fetch_lease = 0
        self.looks = 0
        self.gate = asyncio.Event()
        self.fault: Exception | None = None
        self.kept: int | None = None

    async def look(self) -> int | Miss:
        self.looks += 1
        return MISS if self.kept is None else self.kept

    async def fetch(self) -> int:
        self.fetch_lease += 1
        number = self.fetch_lease
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.kept = number
        return number


def replica(
    connections: Connections,
    *,
    is_unavailable: bool = False,
    timings: CacheTimings = CacheTimings(),
) -> FetchLease:
    return FetchLease(Leases(connections, ACCOUNT), lambda: is_unavailable, timings)


async def once(replica: FetchLease, answer: Answer, *, is_urgent: bool = True) -> int:
    async with asyncio.timeout(5):
        return await replica.once("answer", answer.look, answer.fetch, is_urgent=is_urgent)


async def test_i18_one_fetches_and_the_others_find_it(connections: Connections) -> None:
    answer = Answer()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(once(replica(connections), answer)) for _ in range(5)]
        await until(lambda: answer.looks >= 10)
        answer.gate.set()
    assert [task.result() for task in asked] == [1] * 5
    assert answer.fetch_lease == 1


async def test_a_fetch_that_fails_is_tried_by_the_next_one(connections: Connections) -> None:
    answer = Answer()
    answer.fault = NotFound("no")
    answer.gate.set()
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(asyncio.wait([group.create_task(failing(connections, answer))]))
            for _ in range(3)
        ]
    assert len(asked) == answer.fetch_lease == 3
    assert await connections.commands.exists(Keys(ACCOUNT).lease("fetch:answer")) == 0


async def failing(connections: Connections, answer: Answer) -> None:
    with pytest.raises(NotFound):
        await once(replica(connections), answer)


async def test_p11_one_who_dies_is_waited_for_until_his_lease_ends(
    connections: Connections,
) -> None:
    answer = Answer()
    answer.gate.set()
    await Leases(connections, ACCOUNT).take("fetch:answer", "the dead", 30)
    found = await asyncio.gather(
        *(once(replica(connections, timings=CacheTimings(lease_ms=30)), answer) for _ in range(3))
    )
    assert (found, answer.fetch_lease) == ([1] * 3, 1)


async def test_one_whose_callers_have_left_gives_it_back(connections: Connections) -> None:
    answer = Answer()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(once(replica(connections), answer))
        await until(lambda: answer.fetch_lease == 1)
        first.cancel()
        second = group.create_task(once(replica(connections), answer))
        await until(lambda: answer.fetch_lease == 2)
        answer.gate.set()
    assert second.result() == 2


class Unanswered(Leases):
    """Takes leases and does not come to say so."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections, ACCOUNT)
        self.has_taken = asyncio.Event()

    async def take(self, name: str, owner: str, lifetime_ms: int) -> Lease:
        await super().take(name, owner, lifetime_ms)
        self.has_taken.set()
        return await asyncio.get_running_loop().create_future()


async def test_who_leaves_before_he_knows_that_the_lease_is_his_gives_it_back(
    connections: Connections,
) -> None:
    leases = Unanswered(connections)
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(once(FetchLease(leases, lambda: False), Answer()))
        await leases.has_taken.wait()
        leaving.cancel()
    assert await connections.commands.exists(Keys(ACCOUNT).lease("fetch:answer")) == 0


async def test_what_is_not_urgent_waits_for_nobody(connections: Connections) -> None:
    answer = Answer()
    async with asyncio.TaskGroup() as group:
        group.create_task(once(replica(connections), answer))
        await until(lambda: answer.fetch_lease == 1)
        with pytest.raises(UpstreamUnavailable):
            await once(replica(connections), answer, is_urgent=False)
        answer.gate.set()
    assert await once(replica(connections), answer, is_urgent=False) == 1


async def test_without_redis_everybody_fetches_for_himself() -> None:
    dead, answer = Connections("redis://127.0.0.1:1"), Answer()
    answer.gate.set()
    assert await asyncio.gather(*(once(replica(dead), answer) for _ in range(2))) == [1, 2]
    await dead.aclose()


async def test_while_twilio_is_not_asked_nobody_waits_for_another(connections: Connections) -> None:
    answer = Answer()
    answer.fault = UpstreamUnavailable("Twilio does not answer")
    answer.gate.set()
    before = (await connections.commands.info("stats"))["total_commands_processed"]
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable):
            await once(replica(connections, is_unavailable=True), answer)
    assert answer.fetch_lease == 3
    assert (await connections.commands.info("stats"))["total_commands_processed"] == before + 1


async def test_a_look_that_redis_does_not_answer_is_one_in_vain(connections: Connections) -> None:
    answer = Answer()
    answer.gate.set()

    async def look() -> int | Miss:
        raise UpstreamUnavailable("Redis gave no answer")

    answer.look = look  # type: ignore[method-assign]
    assert await once(replica(connections), answer) == 1
