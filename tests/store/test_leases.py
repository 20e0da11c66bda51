import asyncio

from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.leases import Leases
from tests.store.samples import ACCOUNT

LONG_MS = 60_000


async def test_of_many_who_want_it_one_has_it(connections: Connections) -> None:
    leases = Leases(connections, ACCOUNT)
    taken = await asyncio.gather(*(leases.take("work", f"owner {n}", LONG_MS) for n in range(20)))
    assert [lease.is_ours for lease in taken].count(True) == 1


async def test_who_has_it_may_renew_it_and_others_are_told_for_how_long_it_is_held(
    connections: Connections,
) -> None:
    leases = Leases(connections, ACCOUNT)
    await leases.take("work", "a", 1_000)
    renewed = await leases.take("work", "a", LONG_MS)
    other = await leases.take("work", "b", LONG_MS)
    assert (renewed.is_ours, renewed.left_ms) == (True, LONG_MS)
    assert not other.is_ours
    assert 50_000 < other.left_ms <= LONG_MS


async def test_it_is_lost_when_it_is_not_renewed(connections: Connections) -> None:
    leases = Leases(connections, ACCOUNT)
    await leases.take("work", "a", 20)
    async with asyncio.timeout(5):
        while not (await leases.take("work", "b", LONG_MS)).is_ours:
            pass
    assert not (await leases.take("work", "a", LONG_MS)).is_ours


async def test_only_its_owner_gives_it_back(connections: Connections) -> None:
    leases = Leases(connections, ACCOUNT)
    await leases.take("work", "a", LONG_MS)
    assert not await leases.release("work", "b")
    assert await leases.release("work", "a")
    assert not await leases.release("work", "a")
    assert (await leases.take("work", "b", LONG_MS)).is_ours


async def test_leases_of_other_names_do_not_touch_each_other(connections: Connections) -> None:
    leases = Leases(connections, ACCOUNT)
    assert (await leases.take("one", "a", LONG_MS)).is_ours
    assert (await leases.take("other", "b", LONG_MS)).is_ours


async def test_what_somebody_put_in_its_place_is_not_held_for_ever(
    connections: Connections,
) -> None:
    key = Keys(ACCOUNT).lease("work")
    await connections.commands.sadd(key, "a set")
    assert not await Leases(connections, ACCOUNT).release("work", "a")
    assert (await Leases(connections, ACCOUNT).take("work", "a", LONG_MS)).is_ours
    await connections.commands.set(key, "without an end")
    assert (await Leases(connections, ACCOUNT).take("work", "a", LONG_MS)).is_ours
