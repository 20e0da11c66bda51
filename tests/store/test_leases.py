import asyncio

from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.leases import Leases
from tests.store.samples import ACCOUNT

LONG_MS = 60_000


async def test_one_of_many_owners_gets_the_lease(connections: Connections) -> None:
    leases = Leases(connections, ACCOUNT)
    results = await asyncio.gather(*(leases.take("work", f"owner {n}", LONG_MS) for n in range(20)))
    assert [lease.is_ours for lease in results].count(True) == 1


async def test_the_owner_renews_its_lease_and_others_see_how_long_it_is_taken(
    connections: Connections,
) -> None:
    leases = Leases(connections, ACCOUNT)
    await leases.take("work", "a", 1_000)
    renewed = await leases.take("work", "a", LONG_MS)
    other = await leases.take("work", "b", LONG_MS)
    assert (renewed.is_ours, renewed.left_ms) == (True, LONG_MS)
    assert not other.is_ours
    assert 50_000 < other.left_ms <= LONG_MS


async def test_a_lease_that_is_not_renewed_expires(connections: Connections) -> None:
    leases = Leases(connections, ACCOUNT)
    await leases.take("work", "a", 20)
    async with asyncio.timeout(5):
        while not (await leases.take("work", "b", LONG_MS)).is_ours:
            pass
    assert not (await leases.take("work", "a", LONG_MS)).is_ours


async def test_only_its_owner_releases_a_lease(connections: Connections) -> None:
    leases = Leases(connections, ACCOUNT)
    await leases.take("work", "a", LONG_MS)
    assert not await leases.release("work", "b")
    assert await leases.release("work", "a")
    assert not await leases.release("work", "a")
    assert (await leases.take("work", "b", LONG_MS)).is_ours


async def test_leases_with_other_names_are_independent(connections: Connections) -> None:
    leases = Leases(connections, ACCOUNT)
    assert (await leases.take("one", "a", LONG_MS)).is_ours
    assert (await leases.take("other", "b", LONG_MS)).is_ours


async def test_a_damaged_lease_is_free(
    connections: Connections,
) -> None:
    key = Keys(ACCOUNT).lease("work")
    await connections.commands.sadd(key, "a set")
    assert not await Leases(connections, ACCOUNT).release("work", "a")
    assert (await Leases(connections, ACCOUNT).take("work", "a", LONG_MS)).is_ours
    await connections.commands.set(key, "without an expiry")
    assert (await Leases(connections, ACCOUNT).take("work", "a", LONG_MS)).is_ours
