import asyncio
from contextlib import suppress
from dataclasses import replace

import msgspec
import pytest

from gateway.core.callers import Caller
from gateway.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    OutcomeUnknown,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.core.events import EventSource, RoomEventType
from gateway.core.rooms import NewRoom, Room, RoomStatus
from gateway.sandbox.faults.injector import Fault, Match
from gateway.service.accounts import Account
from gateway.service.upstream.timings import UpstreamTimings
from gateway.store.eventlog import EventLog
from tests.service.conftest import ACCOUNT, ADMIN, Confined, Site, event, ref, status, wait_until

CREATED, ENDED = RoomEventType.ROOM_CREATED, RoomEventType.ROOM_ENDED
COMPLETED, IN_PROGRESS = RoomStatus.COMPLETED, RoomStatus.IN_PROGRESS
SILENT = Fault(status=503)


@pytest.mark.parametrize("leaves_by", ["caller", "stop"])
async def test_a_mutation_whose_caller_left_is_recorded_all_the_same(
    site: Site, leaves_by: str
) -> None:
    account = await site.replica()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        creating = group.create_task(account.rooms.create(ADMIN, NewRoom(unique_name="daily")))
        await wait_until(lambda: site.gate.waiting == 1)
        creating.cancel()
        await asyncio.wait([creating])
        if leaves_by == "stop":
            stopping = group.create_task(account.rooms.aclose())
            await asyncio.sleep(0)
            site.gate.open()
            await stopping
    site.gate.open()
    ring = account.tail.ring
    await wait_until(lambda: ring.readable_after(ring.floor.n) != [])
    [logged] = ring.readable_after(ring.floor.n)
    changed = logged.event
    assert (changed.type, changed.source, changed.room_name) == (
        RoomEventType.ROOM_CHANGED,
        EventSource.MUTATION,
        "daily",
    )


async def test_i11_what_was_written_is_read_without_asking_twilio(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    room = await site.create(here, "daily")
    await site.wait_until_read((await site.log.open()).position.n)
    calls = len(site.gate.calls)
    for account in (here, there):
        assert await status(account, room.sid) is await status(account, "daily") is IN_PROGRESS
    await here.rooms.complete(ADMIN, ref(room.sid))
    await site.wait_until_read((await site.log.open()).position.n)
    for account in (here, there):
        assert await status(account, room.sid) is COMPLETED
    assert len(site.gate.calls) == calls + 1


async def test_a_mutation_that_could_not_be_recorded_is_still_told_and_read_here(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()
    room = await site.create(account)

    async def refuse(*_: object, **__: object) -> None:
        raise UpstreamUnavailable("Redis gave no answer")

    monkeypatch.setattr(EventLog, "append", refuse)
    assert (await account.rooms.complete(ADMIN, ref(room.sid))).value.status is COMPLETED
    assert await status(account, room.sid) is COMPLETED


async def test_a_taken_name_is_told_even_when_its_holder_cannot_be_found(site: Site) -> None:
    account = await site.replica()
    holder = site.make_at_twilio("daily")
    with pytest.raises(AlreadyExists) as refused:
        await site.create(account, "daily")
    assert holder in refused.value.message
    await site.connections.commands.flushall()
    other = site.make_at_twilio("weekly")
    site.sandbox.faults.add(Fault(status=503, match=Match(method="GET")))
    with pytest.raises(AlreadyExists) as refused:
        await site.create(account, "weekly")
    assert other not in refused.value.message


async def test_ending_a_room_twice_is_refused_by_its_state(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account)
    await account.rooms.complete(ADMIN, ref(room.sid))
    with pytest.raises(FailedPrecondition):
        await account.rooms.complete(ADMIN, ref(room.sid))


async def test_an_end_whose_answer_was_lost_is_looked_up_not_remembered(site: Site) -> None:
    """The caller is told to look before trying again: what he then sees must not be what was known before."""
    account = await site.replica()
    room = (await account.rooms.create(ADMIN, NewRoom())).value
    assert await account.rooms.room(ADMIN, ref(room.sid)) is not None
    site.sandbox.faults.add(
        Fault(match=Match("POST", f"/v1/Rooms/{room.sid}"), status=503, is_processed=True)
    )
    with pytest.raises(UpstreamUnavailable):
        await account.rooms.complete(ADMIN, ref(room.sid))
    site.calm()
    seen = await account.rooms.room(ADMIN, ref(room.sid))
    assert seen is not None
    assert seen.value.status is RoomStatus.COMPLETED


ONCE, AGAIN = "7f4b0c1e", "another key"
DAILY = NewRoom(unique_name="daily")
LOST: dict[str, Fault] = {
    "reset before": Fault(hang_up="before"),
    "reset after": Fault(hang_up="after"),
    "500 before": Fault(status=500),
    "500 after": Fault(status=500, is_processed=True),
    "unreadable": Fault(malformed=True),
    "no answer in time": Fault(latency_ms=300),
}
"""Ways to lose the answer to a create."""
NOT_MADE = {"reset before", "500 before"}


def lose(site: Site, how: str) -> None:
    """The answers to creates get lost, for replicas that start from now on."""
    site.sandbox.faults.add(
        msgspec.structs.replace(LOST[how], match=Match(method="POST", path="/v1/Rooms$"))
    )
    if how == "no answer in time":
        site.upstream_timings = UpstreamTimings(write_s=0.05)


async def made(
    account: Account, key: str | None = ONCE, new: NewRoom = DAILY, caller: Caller = ADMIN
) -> Room:
    return (await account.rooms.create(caller, new, key)).value


async def test_who_asks_again_with_a_key_gets_the_same_room_on_any_replica(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    for new in (DAILY, NewRoom()):
        first = await made(here, f"{ONCE} {new.unique_name}", new)
        again = [await made(account, f"{ONCE} {new.unique_name}", new) for account in (here, there)]
        assert [room.sid for room in again] == [first.sid] * 2
    assert site.posts() == 2


async def test_i14_a_crowd_with_one_key_on_two_replicas_makes_one_room(site: Site) -> None:
    accounts = [await site.replica(), await site.replica()]
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(made(account)) for account in accounts * 10]
        await wait_until(lambda: site.gate.waiting == 1)
        site.gate.open()
    assert len({task.result().sid for task in asked}) == 1
    assert site.posts() == 1


async def test_one_who_waits_for_anothers_create_waits_until_his_own_deadline(site: Site) -> None:
    here, there = await site.replica(), await site.replica()
    site.gate.close()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(made(here))
        await wait_until(lambda: site.gate.waiting == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await made(there)
        site.gate.open()
    assert (await made(there)).sid == first.result().sid


async def test_a_key_that_was_given_for_another_room_is_refused(site: Site) -> None:
    account = await site.replica()
    await made(account)
    for other in (
        NewRoom(),
        NewRoom(unique_name="weekly"),
        NewRoom(unique_name="daily", max_participants=2),
    ):
        with pytest.raises(AlreadyExists, match="other parameters"):
            await made(account, ONCE, other)
    assert site.posts() == 1


async def test_i12_the_keys_of_two_callers_never_meet(site: Site) -> None:
    account = await site.replica()
    first = await made(account, new=NewRoom())
    second = await made(account, new=NewRoom(), caller=replace(ADMIN, id="somebody else"))
    assert first.sid != second.sid


@pytest.mark.parametrize("key", ["", "x" * 129, "a\nb"])
async def test_what_can_be_no_key_is_refused(site: Site, key: str) -> None:
    account = await site.replica()
    with pytest.raises(InvalidArgument, match="idempotencyKey"):
        await made(account, key)
    assert site.posts() == 0


@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize("key", [ONCE, None])
async def test_i14_a_named_room_whose_answer_was_lost_is_looked_up(
    site: Site, how: str, key: str | None
) -> None:
    lose(site, how)
    here, there = await site.replica(), await site.replica()
    if how in NOT_MADE:
        with pytest.raises(OutcomeUnknown):
            await made(here, key)
        assert site.rooms_at_twilio() == []
    elif how == "no answer in time":
        # Twilio is still at it when we look.
        with suppress(OutcomeUnknown):
            await made(here, key)
    else:
        room = await made(here, key)
        assert site.posts() == 1
        assert await status(there, "daily") is IN_PROGRESS
        assert [each.sid for each in site.rooms_at_twilio()] == [room.sid]
    site.calm()
    if key is not None:
        again = [(await made(account, key)).sid for account in (there, here)]
        assert again == [each.sid for each in site.rooms_at_twilio()] * 2


@pytest.mark.parametrize("how", LOST)
async def test_i14_an_unnamed_create_is_never_sent_twice(site: Site, how: str) -> None:
    lose(site, how)
    here, there = await site.replica(), await site.replica()
    for account in (here, there, here):
        with pytest.raises(OutcomeUnknown):
            await made(account, new=NewRoom())
        site.calm()
    assert site.posts() == 1


async def test_what_twilio_surely_did_not_make_may_be_asked_for_again_with_the_key(
    site: Site,
) -> None:
    account = await site.replica()
    other = site.make_at_twilio("daily")
    with pytest.raises(AlreadyExists, match=other):
        await made(account)
    site.end_at_twilio(other)
    assert (await made(account)).sid != other
    site.sandbox.faults.add(Fault(status=403))
    with pytest.raises(UpstreamRejected):
        await made(account, AGAIN, NewRoom())
    site.calm()
    assert (await made(account, AGAIN, NewRoom(max_participants=2))).max_participants == 2


@pytest.mark.parametrize("key", [ONCE, None])
@pytest.mark.parametrize(
    "holder", ["another backend", "one with our callback", "another key", "nobody with a key"]
)
async def test_a_name_that_somebody_else_has_is_a_conflict_also_when_the_answer_was_lost(
    site: Site, holder: str, key: str | None
) -> None:
    here, there = await site.replica(), await site.replica()
    if holder == "another backend":
        theirs = site.make_at_twilio("daily")
    elif holder == "one with our callback":
        theirs = site.make_at_twilio("daily", status_callback="http://127.0.0.1:1/callbacks/twilio")
        await site.append(event(RoomEventType.ROOM_CHANGED, theirs, source=EventSource.MUTATION))
    else:
        theirs = (await made(there, AGAIN if holder == "another key" else None)).sid
    with pytest.raises(AlreadyExists, match=theirs):
        await made(here, key)
    lose(site, "reset before")
    with pytest.raises(AlreadyExists, match=theirs):
        await made(here, key)
    assert len(site.rooms_at_twilio()) == 1


@pytest.mark.parametrize("is_record_lost", [False, True])
async def test_i14_a_room_whose_maker_died_before_he_could_tell_is_adopted(
    site: Site, is_record_lost: bool
) -> None:
    """He had sent it: it is known by the mark in its callback address, also when Redis has lost the record."""
    here, there = await site.replica(), await site.replica()
    room = await made(here)
    await forget(site, is_record_lost=is_record_lost)
    assert (await made(there)).sid == room.sid
    assert site.posts() == 1 + is_record_lost
    assert len(site.rooms_at_twilio()) == 1


async def test_i14_a_room_that_ended_before_it_was_looked_for_is_found_all_the_same(
    site: Site,
) -> None:
    here, there = await site.replica(), await site.replica()
    room = await made(here)
    site.end_at_twilio(room.sid)
    await site.append(event(ENDED, room.sid))
    await forget(site)
    again = await made(there)
    assert (again.sid, again.status) == (room.sid, COMPLETED)
    assert len(site.rooms_at_twilio()) == 1


async def test_a_room_made_for_a_key_is_shown_as_it_is_by_now(site: Site) -> None:
    account = await site.replica()
    room = await made(account)
    await account.rooms.complete(ADMIN, ref(room.sid))
    assert (await made(account)).status is COMPLETED


async def test_i14_while_rest_lags_nobody_says_what_he_cannot_know(site: Site) -> None:
    account = await site.replica()
    lose(site, "reset after")
    site.sandbox.faults.add(Fault(rest_lag_ms=60_000))
    with pytest.raises(OutcomeUnknown):
        await made(account)
    site.calm()
    site.sandbox.faults.add(Fault(rest_lag_ms=60_000))
    # Now it is sent once more, refused for the name, and still not shown.
    with pytest.raises(OutcomeUnknown):
        await made(account)
    site.calm()
    [room] = site.rooms_at_twilio()
    assert (await made(account)).sid == room.sid


@pytest.mark.parametrize("key", [ONCE, None])
async def test_a_lost_answer_stays_unknown_when_the_name_cannot_be_looked_up(
    site: Site, key: str | None
) -> None:
    account = await site.replica()
    lose(site, "reset after")
    site.sandbox.faults.add(Fault(status=503, match=Match(method="GET")))
    with pytest.raises(OutcomeUnknown):
        await made(account, key)
    # With the key it is still open; without one, the name is known to be taken.
    site.calm()
    site.sandbox.faults.add(Fault(status=503, match=Match(method="GET")))
    with pytest.raises(UpstreamUnavailable if key else AlreadyExists):
        await made(account, key)
    assert len(site.rooms_at_twilio()) == 1


async def test_without_redis_a_create_with_a_key_is_refused_and_nothing_is_sent(
    confined: Confined, site: Site
) -> None:
    account = await site.replica(confined.connections)
    await confined.keep(f"~rg:{{{ACCOUNT}}}:[^i]*")
    with pytest.raises(UpstreamUnavailable):
        await made(account)
    assert site.posts() == 0
    await confined.keep("~*")
    assert (await made(account)).unique_name == "daily"


async def forget(site: Site, *, is_record_lost: bool = False) -> None:
    """As if the maker had died before he wrote down what he made, and his lease had run out."""
    [record] = await site.connections.commands.keys(f"rg:{{{ACCOUNT}}}:idem:*")
    if is_record_lost:
        await site.connections.commands.delete(record)
    else:
        await site.connections.commands.hdel(record, "sid")
        await site.connections.commands.hset(record, mapping={"owner": "him", "until": "1"})
