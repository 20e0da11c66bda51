import asyncio

import pytest

from gateway.store.connection import Connections
from gateway.store.idempotency import (
    LIFETIME_S,
    Claimed,
    Done,
    IdempotencyKey,
    IdempotencyRecords,
    InProgress,
    OtherRequest,
)
from gateway.store.keys import Keys
from tests.store.samples import ACCOUNT, sid

KEY = IdempotencyKey("text", "digest", "body")
RECORD = Keys(ACCOUNT).idempotency("digest")


@pytest.fixture
def records(connections: Connections) -> IdempotencyRecords:
    return IdempotencyRecords(connections, ACCOUNT)


async def test_one_of_many_concurrent_attempts_gets_the_claim(records: IdempotencyRecords) -> None:
    outcomes = await asyncio.gather(*(records.claim(KEY, f"owner {n}") for n in range(20)))
    assert [type(outcome) for outcome in outcomes].count(Claimed) == 1
    assert outcomes.count(InProgress()) == 19


async def test_claim_after_completion_returns_the_room(records: IdempotencyRecords) -> None:
    claimed = await records.claim(KEY, "a")
    assert isinstance(claimed, Claimed)
    assert not claimed.may_be_done
    await records.complete(KEY, "a", sid(1))
    assert await records.claim(KEY, "b") == Done(sid(1))


async def test_key_of_another_body_is_refused(records: IdempotencyRecords) -> None:
    await records.claim(KEY, "a")
    assert await records.claim(IdempotencyKey("text", "digest", "another"), "b") == OtherRequest(
        None
    )
    assert isinstance(await records.claim(IdempotencyKey("text", "another", "body"), "b"), Claimed)


async def test_release_of_a_failed_attempt_deletes_the_record(
    records: IdempotencyRecords, connections: Connections
) -> None:
    await records.claim(KEY, "a")
    await records.release(KEY, "a", may_be_done=False)
    assert await connections.commands.exists(RECORD) == 0


async def test_room_that_may_be_done_is_remembered_since_the_first_attempt(
    records: IdempotencyRecords,
) -> None:
    first = await records.claim(KEY, "a")
    assert isinstance(first, Claimed)
    await records.release(KEY, "a", may_be_done=True)
    for owner in ("b", "c"):
        assert await records.claim(KEY, owner) == Claimed(True, first.first_claimed_at, None)
        await records.release(KEY, owner, may_be_done=True)


async def test_expired_claim_may_have_created_the_room(
    records: IdempotencyRecords, connections: Connections
) -> None:
    await records.claim(KEY, "a")
    assert await records.claim(KEY, "b") == InProgress()
    await connections.commands.hset(RECORD, "until", "1")
    claimed = await records.claim(KEY, "b")
    assert isinstance(claimed, Claimed)
    assert claimed.may_be_done
    # The first attempt was only slow, and failed: it cannot release the claim of the
    # second.
    await records.release(KEY, "a", may_be_done=False)
    assert await connections.commands.exists(RECORD) == 1


async def test_claim_whose_reply_was_lost_is_granted_again(
    records: IdempotencyRecords,
) -> None:
    claimed = await records.claim(KEY, "a")
    assert await records.claim(KEY, "a") == claimed
    await records.release(KEY, "a", may_be_done=True)
    again = await records.claim(KEY, "b")
    assert isinstance(again, Claimed)
    assert again.may_be_done
    assert await records.claim(KEY, "b") == again
    assert await records.claim(KEY, "c") == InProgress()


async def test_first_completed_room_stays_the_room_of_the_key(
    records: IdempotencyRecords, connections: Connections
) -> None:
    await records.complete(KEY, "a", sid(1))
    await records.complete(KEY, "b", sid(2))
    assert await records.claim(KEY, "c") == Done(sid(1))
    assert 0 < await connections.commands.ttl(RECORD) <= LIFETIME_S


@pytest.mark.parametrize("damage", ["SET", "HSET"])
async def test_damaged_record_counts_as_none(
    records: IdempotencyRecords, connections: Connections, damage: str
) -> None:
    values = ("x",) if damage == "SET" else ("until", "x", "began", "x")
    await connections.commands.execute_command(damage, RECORD, *values)
    assert isinstance(await records.claim(KEY, "a"), Claimed)


async def test_first_target_stays_the_target_of_the_key(records: IdempotencyRecords) -> None:
    first = await records.claim(KEY, "a", "RM1")
    assert isinstance(first, Claimed)
    assert first.target == "RM1"
    assert await records.claim(KEY, "a", "RM2") == first
    await records.release(KEY, "a", may_be_done=False)
    again = await records.claim(KEY, "b", "RM3")
    assert again == Claimed(False, first.first_claimed_at, "RM1")


async def test_key_of_another_request_tells_what_that_one_is_about(
    records: IdempotencyRecords,
) -> None:
    other = IdempotencyKey("text", "digest", "another")
    await records.claim(KEY, "a", "RM1")
    assert await records.claim(other, "b") == OtherRequest("RM1")
    await records.complete(KEY, "a", "RM1 PA1")
    assert await records.claim(other, "b") == OtherRequest("RM1 PA1")
