import asyncio
from contextlib import suppress
from dataclasses import replace

import msgspec
import pytest

from gateway.core.callers import Caller
from gateway.core.errors import (
    AlreadyExists,
    InvalidArgument,
    OutcomeUnknown,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.core.events import RoomEventSource, RoomEventType
from gateway.core.outcomes import IdempotencyKeyReused, NameTaken
from gateway.core.rooms import NewRoom, Room, RoomSid, RoomStatus
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.accounts import Account
from gateway.service.upstream.timings import UpstreamTimings
from tests.service.conftest import ACCOUNT, ADMIN, Confined, Site, event, ref, status, wait_until

CREATED, ENDED = RoomEventType.ROOM_CREATED, RoomEventType.ROOM_ENDED
COMPLETED, IN_PROGRESS = RoomStatus.COMPLETED, RoomStatus.IN_PROGRESS
SILENT = Fault(status=503)


@pytest.mark.parametrize("leaves_by", ["caller", "shutdown"])
async def test_mutation_is_recorded_when_its_caller_leaves(site: Site, leaves_by: str) -> None:
    account = await site.replica()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        creating = group.create_task(account.rooms.create(ADMIN, NewRoom(unique_name="daily")))
        await wait_until(lambda: site.gate.waiting == 1)
        creating.cancel()
        await asyncio.wait([creating])
        if leaves_by == "shutdown":
            stopping = group.create_task(account.rooms.aclose())
            await asyncio.sleep(0)
            site.gate.open()
            await stopping
    site.gate.open()
    ring = account.tail.ring
    await wait_until(lambda: ring.readable_after(ring.floor.n) != [])
    [logged] = ring.readable_after(ring.floor.n)
    created_event = logged.event
    assert (created_event.type, created_event.source, created_event.room_name) == (
        CREATED,
        RoomEventSource.MUTATION,
        "daily",
    )


async def test_i11_own_write_is_read_without_a_request_to_twilio(site: Site) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    room = await site.create(replica_a, "daily")
    await site.wait_until_read((await site.log.open()).position.n)
    calls = len(site.gate.calls)
    for account in (replica_a, replica_b):
        assert await status(account, room.sid) is await status(account, "daily") is IN_PROGRESS
    await replica_a.rooms.complete(ADMIN, ref(room.sid))
    await site.wait_until_read((await site.log.open()).position.n)
    for account in (replica_a, replica_b):
        assert await status(account, room.sid) is COMPLETED
    assert len(site.gate.calls) == calls + 1


async def test_taken_name_is_already_exists_even_if_its_room_is_not_found(site: Site) -> None:
    account = await site.replica()
    holder = site.make_at_twilio("daily")
    with pytest.raises(NameTaken) as refused:
        await site.create(account, "daily")
    assert refused.value.metadata() == {"room_sid": holder}
    await site.connections.commands.flushall()
    site.make_at_twilio("weekly")
    site.sandbox.faults.add(Fault(status=503, match=Match(method="GET")))
    with pytest.raises(NameTaken) as refused:
        await site.create(account, "weekly")
    assert refused.value.room is None


KEY, OTHER_KEY = "7f4b0c1e", "another key"
DAILY = NewRoom(unique_name="daily")
LOST_RESPONSES: dict[str, Fault] = {
    "reset-before": Fault(hang_up="before"),
    "reset-after": Fault(hang_up="after"),
    "500-before": Fault(status=500),
    "500-after": Fault(status=500, is_processed=True),
    "unreadable": Fault(malformed=True),
    "timeout": Fault(latency_ms=1_500),
}
"""Ways to lose_response the response to a create."""
NOT_CREATED = {"reset-before", "500-before"}


def lose_response(site: Site, how: str) -> None:
    """Makes Twilio lose_response the responses to creates, for replicas that start from
    now on."""
    site.sandbox.faults.add(
        msgspec.structs.replace(LOST_RESPONSES[how], match=Match(method="POST", path="/v1/Rooms$"))
    )
    if how == "timeout":
        site.upstream_timings = UpstreamTimings(write_s=0.3)


async def created(
    account: Account, key: str | None = KEY, new: NewRoom = DAILY, caller: Caller = ADMIN
) -> Room:
    return (await account.rooms.create(caller, new, key)).room.value


async def test_create_room_twice_with_one_key_makes_one_room_on_any_replica(site: Site) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    for new in (DAILY, NewRoom()):
        first = await created(replica_a, f"{KEY} {new.unique_name}", new)
        again = [
            await created(account, f"{KEY} {new.unique_name}", new)
            for account in (replica_a, replica_b)
        ]
        assert [room.sid for room in again] == [first.sid] * 2
    assert site.posts() == 2


async def test_i14_concurrent_creates_with_one_key_make_one_room(site: Site) -> None:
    accounts = [await site.replica(), await site.replica()]
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(created(account)) for account in accounts * 10]
        await wait_until(lambda: site.gate.waiting == 1)
        site.gate.open()
    assert len({task.result().sid for task in asked}) == 1
    assert site.posts() == 1


async def test_create_waits_for_another_with_the_key_until_its_own_deadline(site: Site) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(created(replica_a))
        await wait_until(lambda: site.gate.waiting == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await created(replica_b)
        site.gate.open()
    assert (await created(replica_b)).sid == first.result().sid


async def test_key_of_another_room_is_refused(site: Site) -> None:
    account = await site.replica()
    await created(account)
    for other in (
        NewRoom(),
        NewRoom(unique_name="weekly"),
        NewRoom(unique_name="daily", max_participants=2),
    ):
        with pytest.raises(IdempotencyKeyReused):
            await created(account, KEY, other)
    assert site.posts() == 1


async def test_i12_keys_of_two_callers_are_independent(site: Site) -> None:
    account = await site.replica()
    first = await created(account, new=NewRoom())
    second = await created(account, new=NewRoom(), caller=replace(ADMIN, id="another caller"))
    assert first.sid != second.sid


@pytest.mark.parametrize("key", ["", "x" * 129, "a\nb"])
async def test_malformed_key_is_refused(site: Site, key: str) -> None:
    account = await site.replica()
    with pytest.raises(InvalidArgument, match="idempotency_key"):
        await created(account, key)
    assert site.posts() == 0


@pytest.mark.parametrize("how", LOST_RESPONSES)
@pytest.mark.parametrize("key", [KEY, None])
async def test_i14_named_room_is_looked_up_after_a_lost_response(
    site: Site, how: str, key: str | None
) -> None:
    lose_response(site, how)
    replica_a, replica_b = await site.replica(), await site.replica()
    if how in NOT_CREATED:
        with pytest.raises(OutcomeUnknown):
            await created(replica_a, key)
        assert site.rooms_at_twilio() == []
    elif how == "timeout":
        # Twilio still processes the create when the name is looked up.
        with suppress(OutcomeUnknown):
            await created(replica_a, key)
    else:
        room = await created(replica_a, key)
        assert site.posts() == 1
        assert await status(replica_b, "daily") is IN_PROGRESS
        assert [room.sid for room in site.rooms_at_twilio()] == [room.sid]
    site.calm()
    if key is not None:
        again = [(await created(account, key)).sid for account in (replica_b, replica_a)]
        assert again == [room.sid for room in site.rooms_at_twilio()] * 2


@pytest.mark.parametrize("how", LOST_RESPONSES)
async def test_i14_unnamed_create_is_never_sent_twice(site: Site, how: str) -> None:
    lose_response(site, how)
    replica_a, replica_b = await site.replica(), await site.replica()
    for account in (replica_a, replica_b, replica_a):
        with pytest.raises(OutcomeUnknown):
            await created(account, new=NewRoom())
        site.calm()
    assert site.posts() == 1


async def test_refused_create_may_be_repeated_with_the_key(
    site: Site,
) -> None:
    account = await site.replica()
    other = site.make_at_twilio("daily")
    with pytest.raises(NameTaken) as refused:
        await created(account)
    assert refused.value.metadata() == {"room_sid": other}
    site.end_at_twilio(other)
    assert (await created(account)).sid != other
    site.sandbox.faults.add(Fault(status=403))
    with pytest.raises(UpstreamRejected):
        await created(account, OTHER_KEY, NewRoom())
    site.calm()
    assert (await created(account, OTHER_KEY, NewRoom(max_participants=2))).max_participants == 2


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("holder", ["other-backend", "own-callback", "other-key", "without-key"])
async def test_name_of_another_room_is_a_conflict_also_after_a_lost_response(
    site: Site, holder: str, key: str | None
) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    if holder == "other-backend":
        holder_sid = site.make_at_twilio("daily")
    elif holder == "own-callback":
        holder_sid = site.make_at_twilio(
            "daily", status_callback="http://127.0.0.1:1/callbacks/twilio"
        )
    else:
        holder_sid = (await created(replica_b, OTHER_KEY if holder == "other-key" else None)).sid
    with pytest.raises(NameTaken) as refused:
        await created(replica_a, key)
    assert refused.value.metadata() == {"room_sid": holder_sid}
    lose_response(site, "reset-before")
    with pytest.raises(NameTaken) as refused:
        await created(replica_a, key)
    assert refused.value.metadata() == {"room_sid": holder_sid}
    assert len(site.rooms_at_twilio()) == 1


@pytest.mark.parametrize("is_record_lost", [False, True])
async def test_i14_room_of_a_replica_that_died_before_recording_is_adopted(
    site: Site, is_record_lost: bool
) -> None:
    """Its callback URL has the key, so it is recognized even without the record in
    Redis."""
    replica_a, replica_b = await site.replica(), await site.replica()
    room = await created(replica_a)
    await forget_record(site, is_record_lost=is_record_lost)
    assert (await created(replica_b)).sid == room.sid
    assert site.posts() == 1 + is_record_lost
    assert len(site.rooms_at_twilio()) == 1


async def test_i14_room_that_ended_before_it_was_looked_up_is_found(
    site: Site,
) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    room = await created(replica_a)
    site.end_at_twilio(room.sid)
    await site.append(event(ENDED, room.sid))
    await forget_record(site)
    again = await created(replica_b)
    assert (again.sid, again.status) == (room.sid, COMPLETED)
    assert len(site.rooms_at_twilio()) == 1


async def test_room_of_a_key_is_returned_in_its_current_state(site: Site) -> None:
    account = await site.replica()
    room = await created(account)
    await account.rooms.complete(ADMIN, ref(room.sid))
    assert (await created(account)).status is COMPLETED


@pytest.mark.parametrize("how", ["reset-before", "reset-after"])
@pytest.mark.parametrize("has_ended", [False, True])
async def test_i14_create_without_a_key_is_retried_with_the_key_of_its_error(
    site: Site, how: str, has_ended: bool
) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    lose_response(site, how)
    site.sandbox.faults.add(Fault(match=Match("GET"), rest_lag_ms=60_000))
    with pytest.raises(OutcomeUnknown) as unknown:
        await created(replica_a, key=None)
    assert unknown.value.retry_with is not None
    site.calm()
    if has_ended:
        for room in site.rooms_at_twilio():
            site.end_at_twilio(RoomSid(room.sid))
    for account in (replica_b, replica_a):
        again = await created(account, unknown.value.retry_with)
        assert [again.sid] == [room.sid for room in site.rooms_at_twilio()]
        is_found = how == "reset-after"
        assert again.status is (COMPLETED if has_ended and is_found else IN_PROGRESS)


async def test_i14_unnamed_create_has_no_safe_retry(site: Site) -> None:
    account = await site.replica()
    lose_response(site, "reset-before")
    for key in (KEY, None):
        with pytest.raises(OutcomeUnknown) as unknown:
            await created(account, key, NewRoom())
        assert unknown.value.retry_with is None


async def test_i14_outcome_stays_unknown_while_rest_lags(site: Site) -> None:
    account = await site.replica()
    lose_response(site, "reset-after")
    site.sandbox.faults.add(Fault(rest_lag_ms=60_000))
    with pytest.raises(OutcomeUnknown):
        await created(account)
    site.calm()
    site.sandbox.faults.add(Fault(rest_lag_ms=60_000))
    # The create is sent again and refused because of the name. REST still does not show
    # it.
    with pytest.raises(OutcomeUnknown):
        await created(account)
    site.calm()
    [room] = site.rooms_at_twilio()
    assert (await created(account)).sid == room.sid


@pytest.mark.parametrize("key", [KEY, None])
async def test_outcome_stays_unknown_when_the_name_cannot_be_looked_up(
    site: Site, key: str | None
) -> None:
    account = await site.replica()
    lose_response(site, "reset-after")
    site.sandbox.faults.add(Fault(status=503, match=Match(method="GET")))
    with pytest.raises(OutcomeUnknown):
        await created(account, key)
    # With the key the outcome is still unknown. Without one, the name is taken.
    site.calm()
    site.sandbox.faults.add(Fault(status=503, match=Match(method="GET")))
    with pytest.raises(UpstreamUnavailable if key else AlreadyExists):
        await created(account, key)
    assert len(site.rooms_at_twilio()) == 1


async def test_create_with_a_key_sends_nothing_without_redis(
    confined: Confined, site: Site
) -> None:
    account = await site.replica(confined.connections)
    await confined.keep(f"~rg:{{{ACCOUNT}}}:[^i]*")
    with pytest.raises(UpstreamUnavailable):
        await created(account)
    assert site.posts() == 0
    await confined.keep("~*")
    assert (await created(account)).unique_name == "daily"


async def forget_record(site: Site, *, is_record_lost: bool = False) -> None:
    """Restores the record of an attempt that died before it recorded its room."""
    [record] = await site.connections.commands.keys(f"rg:{{{ACCOUNT}}}:idem:*")
    if is_record_lost:
        await site.connections.commands.delete(record)
    else:
        await site.connections.commands.hdel(record, "result")
        await site.connections.commands.hset(record, mapping={"owner": "dead", "until": "1"})
