import asyncio
from dataclasses import replace

import msgspec
import pytest

from gateway.core.errors import (
    NotFound,
    OutcomeUnknown,
    UpstreamUnavailable,
)
from gateway.core.outcomes import IdempotencyKeyReused, RoomAlreadyEnded
from gateway.core.rooms import RoomStatus
from gateway.sandbox.faults.injector import Fault, Match
from gateway.store.eventlog import EventLog
from tests.service.conftest import ADMIN, Site, ref, restricted, status

COMPLETED, IN_PROGRESS = RoomStatus.COMPLETED, RoomStatus.IN_PROGRESS
KEY = "7f4b0c1e"


async def test_unrecorded_mutation_is_returned_and_read_on_this_replica(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()
    room = await site.create(account)

    async def refuse(*_: object, **__: object) -> None:
        raise UpstreamUnavailable("Redis gave no answer")

    monkeypatch.setattr(EventLog, "append", refuse)
    assert (await account.rooms.complete(ADMIN, ref(room.sid))).value.status is COMPLETED
    assert await status(account, room.sid) is COMPLETED


async def test_complete_room_twice_is_failed_precondition(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account)
    await account.rooms.complete(ADMIN, ref(room.sid))
    with pytest.raises(RoomAlreadyEnded) as refused:
        await account.rooms.complete(ADMIN, ref(room.sid))
    assert refused.value.room is not None
    assert refused.value.room.value.status is COMPLETED


async def test_room_is_read_from_twilio_after_a_lost_response_to_complete(site: Site) -> None:
    """The error says to check the room, so the next read must not be from the cache."""
    account = await site.replica()
    room = await site.create(account)
    assert await account.rooms.room(ADMIN, ref(room.sid)) is not None
    site.sandbox.faults.add(
        Fault(match=Match("POST", f"/v1/Rooms/{room.sid}"), status=503, is_processed=True)
    )
    with pytest.raises(UpstreamUnavailable):
        await account.rooms.complete(ADMIN, ref(room.sid))
    site.calm()
    assert await status(account, room.sid) is COMPLETED


async def test_key_completes_the_room_that_had_the_name_at_first(site: Site) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    first = await site.create(replica_a, "daily")
    assert (await replica_a.rooms.complete(ADMIN, ref("daily"), KEY)).value.sid == first.sid
    second = await site.create(replica_a, "daily")
    for account in (replica_a, replica_b):
        again = (await account.rooms.complete(ADMIN, ref("daily"), KEY)).value
        assert (again.sid, again.status) == (first.sid, COMPLETED)
    assert await status(replica_b, second.sid) is IN_PROGRESS


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(status=503, is_processed=True),
        Fault(hang_up="before"),
        Fault(hang_up="after"),
        Fault(status=429),
    ],
    ids=["503", "503-processed", "reset", "reset-processed", "429"],
)
async def test_retry_after_a_failure_completes_the_same_room(site: Site, fault: Fault) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    first = await site.create(replica_a, "daily")
    site.sandbox.faults.add(
        msgspec.structs.replace(fault, match=Match("POST", f"/v1/Rooms/{first.sid}"))
    )
    async with asyncio.timeout(5):
        with pytest.raises((UpstreamUnavailable, OutcomeUnknown, TimeoutError)):
            async with asyncio.timeout(0.5):
                await replica_a.rooms.complete(ADMIN, ref("daily"), KEY)
    site.calm()
    again = (await replica_b.rooms.complete(ADMIN, ref("daily"), KEY)).value
    assert (again.sid, again.status) == (first.sid, COMPLETED)


async def test_refused_completion_is_refused_again(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account)
    site.end_at_twilio(room.sid)
    for _ in range(2):
        with pytest.raises(RoomAlreadyEnded):
            await account.rooms.complete(ADMIN, ref(room.sid), KEY)


async def test_key_of_another_request_is_refused(site: Site) -> None:
    account = await site.replica()
    first, second = await site.create(account, "daily"), await site.create(account, "weekly")
    await account.rooms.complete(ADMIN, ref("daily"), KEY)
    for other in ("weekly", first.sid):
        with pytest.raises(IdempotencyKeyReused) as reused:
            await account.rooms.complete(ADMIN, ref(other), KEY)
        assert reused.value.room is not None
        assert reused.value.room.value.sid == first.sid
    assert await status(account, second.sid) is IN_PROGRESS


async def test_i12_room_of_a_key_is_not_shown_without_its_grant(site: Site) -> None:
    """A subject keeps its idempotency keys when its next token has other grants."""
    account = await site.replica()
    room = await site.create(account, "daily")
    caller = restricted("daily")
    await account.rooms.complete(caller, ref("daily"), KEY)
    with pytest.raises(NotFound):
        await account.rooms.complete(
            replace(caller, grants=frozenset({"weekly"})), ref("daily"), KEY
        )
    again = await account.rooms.complete(caller, ref("daily"), KEY)
    assert again.value.sid == room.sid
