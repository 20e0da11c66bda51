import asyncio
from dataclasses import replace

import pytest

from gateway.core.caching import FreshnessSource
from gateway.core.callers import Scope
from gateway.core.errors import (
    NotFound,
    PermissionDenied,
    Reason,
    UpstreamUnavailable,
)
from gateway.core.events import RoomEventType
from gateway.core.outcomes import IdempotencyKeyReused, NameTaken, RoomAlreadyEnded
from gateway.core.participants import ParticipantRef
from gateway.core.recordings import NewRecordingRules, RecordingRule
from gateway.core.rooms import NewRoom, RoomFilter, RoomStatus
from gateway.core.rules import RuleType
from gateway.core.sids import ParticipantSid
from gateway.sandbox.faults.injector import Fault
from gateway.service.writes.mutations import WriteTimings
from tests.service.conftest import ADMIN, Site, ref, sid, status, wait_until

CREATED, ENDED = RoomEventType.ROOM_CREATED, RoomEventType.ROOM_ENDED
COMPLETED, IN_PROGRESS = RoomStatus.COMPLETED, RoomStatus.IN_PROGRESS
SILENT = Fault(status=503)


async def test_the_source_says_whether_a_room_reports_to_this_gateway(site: Site) -> None:
    account = await site.replica()
    ours = await site.create(account)
    sources = []
    for room in (ours.sid, site.make_at_twilio()):
        result = await account.rooms.room(ADMIN, ref(room))
        assert result is not None
        sources.append(result.freshness.source)
    assert sources == [FreshnessSource.CALLBACKS, FreshnessSource.POLLED]


async def test_a_batch_keeps_its_order_and_fails_with_its_reads(site: Site) -> None:
    account = await site.replica()
    one, two = site.make_at_twilio(), site.make_at_twilio("two")
    result = await account.rooms.batch(ADMIN, [ref("two"), ref(sid(1)), ref(one)])
    assert [item and item.value.sid for item in result] == [two, None, one]
    site.sandbox.faults.add(SILENT)
    with pytest.raises(UpstreamUnavailable):
        await account.rooms.batch(ADMIN, [ref(one), ref(sid(2))])


async def test_i12_without_a_grant_a_room_looks_like_a_missing_one(site: Site) -> None:
    account = await site.replica()
    theirs, other = await site.create(account, "theirs"), await site.create(account, "other")
    caller = replace(ADMIN, grants=frozenset({"theirs"}))
    for mine in ("theirs", theirs.sid):
        result = await account.rooms.room(caller, ref(mine))
        assert result is not None
        assert result.value.sid == theirs.sid
    refusals = set()
    for room in ("other", other.sid, "unused", sid(1)):
        assert await account.rooms.room(caller, ref(room)) is None
        with pytest.raises(NotFound) as refused:
            await account.rooms.complete(caller, ref(room))
        refusals.add(refused.value.message)
    assert len(refusals) == 1
    page = (await account.rooms.rooms(caller, RoomFilter(), 50, None)).value
    assert [result.value.sid for _, result in page.items] == [theirs.sid]
    for name in ("other", None):
        with pytest.raises(PermissionDenied):
            await account.rooms.create(caller, NewRoom(unique_name=name))
    assert await status(account, other.sid) is IN_PROGRESS


async def test_every_use_case_needs_its_scope(site: Site) -> None:
    account = await site.replica()
    reader = replace(ADMIN, scopes=frozenset({Scope.ROOMS_READ}))
    writer = replace(ADMIN, scopes=frozenset({Scope.ROOMS_WRITE}))
    for refused in (
        account.rooms.room(writer, ref(sid(1))),
        account.rooms.batch(writer, [ref(sid(1))]),
        account.rooms.rooms(writer, RoomFilter(), 50, None),
        account.rooms.create(reader, NewRoom()),
        account.rooms.complete(reader, ref(sid(1))),
    ):
        with pytest.raises(PermissionDenied):
            await refused
    assert site.gate.calls == []


async def test_closing_leaves_no_task(site: Site) -> None:
    site.write_timings = WriteTimings(grace_s=0.01)
    account, tasks = await site.replica(), asyncio.all_tasks()
    site.gate.close()
    callers = [
        site.tasks.create_task(asyncio.wait([site.tasks.create_task(read)]))
        for read in (
            account.rooms.room(ADMIN, ref(sid(1))),
            account.rooms.rooms(ADMIN, RoomFilter(), 5, None),
            account.rooms.create(ADMIN, NewRoom()),
        )
    ]
    await wait_until(lambda: site.gate.waiting == 3)
    await account.aclose()
    await asyncio.wait(callers)
    await wait_until(lambda: site.gate.waiting == 0)
    ours = [task for task in asyncio.all_tasks() - tasks if "gateway/service" in str(task)]
    assert ours == []


async def test_a_conflict_shows_no_room_that_the_caller_may_not_see(site: Site) -> None:
    """Two tokens of one subject are one caller, and may have different grants."""
    account = await site.replica()
    mine, theirs = (replace(ADMIN, grants=frozenset({name})) for name in ("mine", "theirs"))
    created = await account.rooms.create(theirs, NewRoom(unique_name="theirs"), "k1")
    with pytest.raises(IdempotencyKeyReused) as refused:
        await account.rooms.create(mine, NewRoom(unique_name="mine"), "k1")
    assert refused.value.metadata() == {}
    with pytest.raises(NameTaken) as taken:
        await account.rooms.create(theirs, NewRoom(unique_name="theirs"))
    assert taken.value.metadata() == {"room_sid": created.room.value.sid}


async def test_a_change_in_a_missing_room_tells_that_the_room_is_missing(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account)
    ada = ParticipantRef(ParticipantSid("PA" + "0" * 32), None)
    for target, reason in (
        (room.sid, Reason.PARTICIPANT_NOT_FOUND),
        (sid(1), Reason.ROOM_NOT_FOUND),
    ):
        with pytest.raises(NotFound) as refused:
            await account.participants.disconnect(ADMIN, ref(target), ada)
        assert refused.value.reason is reason


async def test_an_ended_room_comes_with_its_end(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account)
    await account.rooms.complete(ADMIN, ref(room.sid))
    rules = NewRecordingRules((RecordingRule(type=RuleType.INCLUDE, all=True),))
    with pytest.raises(RoomAlreadyEnded) as refused:
        await account.recordings.update_rules(ADMIN, ref(room.sid), rules)
    assert refused.value.room is not None
    assert refused.value.room.value.status.is_final
