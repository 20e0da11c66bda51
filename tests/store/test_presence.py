from dataclasses import replace

import pytest

from gateway.core.participants import Participant, ParticipantStatus, PublishedTrack, TrackKind
from gateway.core.room_state.presence import PresenceSnapshot, SnapshotStay
from gateway.core.rooms import RoomSid
from gateway.core.sids import ParticipantSid, TrackSid
from gateway.store.connection import Connections
from gateway.store.eventlog import ROOM_LOG_S, EventLog, readable
from gateway.store.keys import Keys
from gateway.store.presence import STORY_LENGTH, LogEpoch, PresenceStore, RoomStory
from tests.store.samples import ACCOUNT, AT, created, joined, sid

KEYS = Keys(ACCOUNT)
ROOM, ADA = sid(1), ParticipantSid("PA" + "1" * 32)
SNAPSHOT = PresenceSnapshot(
    "0" * 16,
    7,
    3,
    (
        SnapshotStay(
            Participant(
                sid=ADA,
                room_sid=ROOM,
                account_sid=ACCOUNT,
                status=ParticipantStatus.CONNECTED,
                identity="Ada",
                start_time=AT,
            ),
            (
                PublishedTrack(
                    sid=TrackSid("MT" + "1" * 32),
                    participant_sid=ADA,
                    room_sid=ROOM,
                    kind=TrackKind.AUDIO,
                    muted=True,
                ),
            ),
        ),
    ),
)


@pytest.fixture
def log(connections: Connections) -> EventLog:
    return EventLog(connections, ACCOUNT)


@pytest.fixture
def store(connections: Connections) -> PresenceStore:
    return PresenceStore(connections, ACCOUNT)


async def story(store: PresenceStore, room_sid: RoomSid = ROOM) -> RoomStory:
    _, [found] = await store.read([room_sid])
    return found


async def log_joins(log: EventLog, count: int) -> None:
    for number in range(count):
        await log.append(replace(joined(number), room_sid=ROOM), f"callback {number}")


async def test_stories_have_the_entries_of_their_rooms_and_the_epoch(
    log: EventLog, store: PresenceStore
) -> None:
    await log_joins(log, 3)
    await log.append(replace(created(), room_sid=sid(2)), "another room")
    epoch, [first, second, unknown] = await store.read([ROOM, sid(2), sid(3)])
    head = await log.open()
    assert epoch == LogEpoch(head.position.epoch, head.base)
    assert readable(first.entries) == readable(await log.read(0, 10, ROOM))
    assert [len(first.entries), len(second.entries), len(unknown.entries)] == [3, 1, 0]
    assert [first.is_whole, second.is_whole, unknown.is_whole] == [True, True, False]


async def test_without_a_log_there_is_no_epoch(store: PresenceStore) -> None:
    assert await store.read([ROOM]) == (None, [RoomStory()])
    assert await store.read([]) == (None, [])


async def test_a_story_that_is_too_long_has_its_newest_entries(
    log: EventLog, store: PresenceStore
) -> None:
    await log_joins(log, STORY_LENGTH + 2)
    found = await story(store)
    assert not found.is_whole
    assert list(found.entries) == (await log.read(0, STORY_LENGTH + 2, ROOM))[2:]


async def test_a_story_is_not_whole_when_an_entry_was_removed(
    connections: Connections, log: EventLog, store: PresenceStore
) -> None:
    await log_joins(log, 3)
    middle = (await story(store)).entries[1]
    await connections.commands.xdel(KEYS.room_log(ROOM), f"{middle.position.n}-0")
    found = await story(store)
    assert (len(found.entries), found.is_whole) == (2, False)


async def test_the_newest_snapshot_is_kept_as_long_as_a_quiet_stream(
    connections: Connections, store: PresenceStore
) -> None:
    for highest in (2, 3):
        await store.put_snapshot(ROOM, replace(SNAPSHOT, highest_number=highest))
    assert (await story(store)).snapshot == SNAPSHOT
    ttl = await connections.commands.ttl(KEYS.presence(ROOM))
    assert ROOM_LOG_S - 60 < ttl <= ROOM_LOG_S


@pytest.mark.parametrize("value", ["", "{}", "[1]", '{"epoch": 1}'])
async def test_a_damaged_snapshot_does_not_count(
    connections: Connections, store: PresenceStore, value: str
) -> None:
    await connections.commands.set(KEYS.presence(ROOM), value)
    assert (await story(store)).snapshot is None


async def test_keys_of_another_type_leave_the_story_empty(
    connections: Connections, store: PresenceStore
) -> None:
    await connections.commands.hset(KEYS.presence(ROOM), "a", "b")
    await connections.commands.set(KEYS.room_log(ROOM), "damaged")
    assert await story(store) == RoomStory()
