import asyncio

import pytest

from gateway.store import idempotency
from gateway.store.connection import Connections
from gateway.store.idempotency import Busy, Claimed, IdempotencyRecords, Made, Once, OtherBody
from gateway.store.keys import Keys
from tests.store.samples import ACCOUNT, sid

ONCE = Once("digest", "body")
RECORD = Keys(ACCOUNT).once("digest")


@pytest.fixture
def records(connections: Connections) -> IdempotencyRecords:
    return IdempotencyRecords(connections, ACCOUNT)


async def test_of_many_who_come_at_once_one_makes_it(records: IdempotencyRecords) -> None:
    found = await asyncio.gather(*(records.claim(ONCE, f"owner {n}") for n in range(20)))
    assert [type(each) for each in found].count(Claimed) == 1
    assert found.count(Busy()) == 19


async def test_once_it_is_made_everybody_is_told_so(records: IdempotencyRecords) -> None:
    claimed = await records.claim(ONCE, "a")
    assert isinstance(claimed, Claimed)
    assert not claimed.is_doubtful
    await records.settle(ONCE, "a", sid(1))
    assert await records.claim(ONCE, "b") == Made(sid(1))


async def test_a_key_that_stands_for_something_else_is_told_so(records: IdempotencyRecords) -> None:
    await records.claim(ONCE, "a")
    assert await records.claim(Once("digest", "another"), "b") == OtherBody()
    assert isinstance(await records.claim(Once("another", "body"), "b"), Claimed)


async def test_what_was_surely_not_made_leaves_nothing(
    records: IdempotencyRecords, connections: Connections
) -> None:
    await records.claim(ONCE, "a")
    await records.give_back(ONCE, "a", is_doubtful=False)
    assert await connections.commands.exists(RECORD) == 0


async def test_what_was_perhaps_made_stays_doubtful_since_the_first_try(
    records: IdempotencyRecords,
) -> None:
    first = await records.claim(ONCE, "a")
    assert isinstance(first, Claimed)
    await records.give_back(ONCE, "a", is_doubtful=True)
    for owner in ("b", "c"):
        assert await records.claim(ONCE, owner) == Claimed(True, first.began_at)
        await records.give_back(ONCE, owner, is_doubtful=True)


async def test_one_who_dies_is_waited_for_and_then_leaves_doubt(
    records: IdempotencyRecords, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "LEASE_MS", 20)
    await records.claim(ONCE, "a")
    async with asyncio.timeout(5):
        while isinstance(found := await records.claim(ONCE, "b"), Busy):
            pass
    assert isinstance(found, Claimed)
    assert found.is_doubtful
    # The first one was only slow, and failed: the second one's claim is none of his.
    await records.give_back(ONCE, "a", is_doubtful=False)
    assert await connections.commands.exists(RECORD) == 1


async def test_a_claim_that_is_sent_again_because_its_answer_was_lost_is_granted_again(
    records: IdempotencyRecords,
) -> None:
    claimed = await records.claim(ONCE, "a")
    assert await records.claim(ONCE, "a") == claimed
    await records.give_back(ONCE, "a", is_doubtful=True)
    doubtful = await records.claim(ONCE, "b")
    assert isinstance(doubtful, Claimed)
    assert doubtful.is_doubtful
    assert await records.claim(ONCE, "b") == doubtful
    assert await records.claim(ONCE, "c") == Busy()


async def test_the_first_room_counts_also_when_it_is_told_late(
    records: IdempotencyRecords, connections: Connections
) -> None:
    await records.settle(ONCE, "a", sid(1))
    await records.settle(ONCE, "b", sid(2))
    assert await records.claim(ONCE, "c") == Made(sid(1))
    assert 0 < await connections.commands.ttl(RECORD) <= idempotency.KEPT_S


@pytest.mark.parametrize("damage", ["SET", "HSET"])
async def test_a_record_that_somebody_broke_counts_as_none(
    records: IdempotencyRecords, connections: Connections, damage: str
) -> None:
    values = ("x",) if damage == "SET" else ("until", "x", "began", "x")
    await connections.commands.execute_command(damage, RECORD, *values)
    assert isinstance(await records.claim(ONCE, "a"), Claimed)
