import asyncio
from typing import Any

import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.core.events import RoomEvent, RoomEventSource, RoomEventType, creation_key
from gateway.core.rooms import NewRoom, RoomSid, RoomStatus
from gateway.service.accounts import Account
from gateway.store.eventlog import EventLog, readable
from tests.service.conftest import ADMIN, Site, event, ref, status, wait_until

CREATED, ENDED = RoomEventType.ROOM_CREATED, RoomEventType.ROOM_ENDED
NEW = NewRoom(unique_name="daily", max_participants=7)


def by_callback(site: Site, sid: RoomSid) -> RoomEvent:
    room = site.room_at_twilio(sid)
    return event(CREATED, sid, event_time=room.created.wall, room_name=room.name, sequence_number=0)


async def told(site: Site) -> list[tuple[RoomEventType, RoomEventSource, bool]]:
    """What the log says: type, source, and whether it has the whole room."""
    logged = readable(await site.log.read(0, 10))
    return [(each.event.type, each.event.source, each.event.room is not None) for each in logged]


async def read(account: Account, sid: RoomSid) -> Any:
    result = await account.rooms.room(ADMIN, ref(sid))
    assert result is not None
    return result.value


async def test_creation_is_one_event_with_the_whole_room(site: Site) -> None:
    account = await site.replica()
    room = (await account.rooms.create(ADMIN, NEW)).room.value
    for _ in range(2):
        await site.log.append(by_callback(site, room.sid), creation_key(room.sid))
    assert await told(site) == [(CREATED, RoomEventSource.MUTATION, True)]


async def test_creation_is_one_event_when_the_callback_is_first(site: Site) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    site.gate.hold_responses()
    async with asyncio.TaskGroup() as group:
        creating = group.create_task(replica_a.rooms.create(ADMIN, NEW))
        await wait_until(lambda: len(site.rooms_at_twilio()) == 1)
        sid = RoomSid(site.rooms_at_twilio()[0].sid)
        await site.log.append(by_callback(site, sid), creation_key(sid))
        site.gate.open()
    assert await told(site) == [(CREATED, RoomEventSource.CALLBACK, False)]
    calls = len(site.gate.calls)
    for account in (replica_a, replica_b):
        assert (await read(account, sid)).max_participants == 7
        assert await status(account, "daily") is RoomStatus.IN_PROGRESS
    assert len(site.gate.calls) == calls
    assert creating.result().is_new


async def test_i9_room_that_ended_before_the_response_to_its_create_stays_ended(
    site: Site,
) -> None:
    replica_a, replica_b = await site.replica(), await site.replica()
    site.gate.hold_responses()
    async with asyncio.TaskGroup() as group:
        creating = group.create_task(replica_a.rooms.create(ADMIN, NEW))
        await wait_until(lambda: len(site.rooms_at_twilio()) == 1)
        sid = RoomSid(site.rooms_at_twilio()[0].sid)
        await site.log.append(by_callback(site, sid), creation_key(sid))
        site.end_at_twilio(sid)
        await site.append(event(ENDED, sid, room_name="daily"))
        site.gate.open()
    assert creating.result().room.value.status is RoomStatus.COMPLETED
    for account in (replica_a, replica_b):
        assert await status(account, sid) is RoomStatus.COMPLETED
        assert await status(account, "daily") is None


async def test_room_that_cannot_be_logged_is_returned_and_read_on_this_replica(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()

    async def refuse(*_: object, **__: object) -> None:
        raise UpstreamUnavailable("Redis gave no answer")

    monkeypatch.setattr(EventLog, "append", refuse)
    room = (await account.rooms.create(ADMIN, NEW)).room.value
    assert (await read(account, room.sid)).max_participants == 7
