"""Who is in rooms, by the log alone."""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.callers import Caller, Scope
from gateway.core.cursors import LogPosition
from gateway.core.errors import NotFound, PermissionDenied, UpstreamUnavailable
from gateway.core.events import RoomEvent, RoomEventSource, RoomEventType
from gateway.core.participants import Participant, ParticipantRef, ParticipantStatus
from gateway.core.room_state.live import Stay
from gateway.core.room_state.presence import PresenceSnapshot, PresenceState, SnapshotStay
from gateway.core.rooms import RoomSid, RoomStatus
from gateway.core.sids import ParticipantSid
from gateway.service.accounts import Account
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.presence import STORY_LENGTH, PresenceStore
from tests.service.conftest import (
    ACCOUNT,
    ADMIN,
    Confined,
    Site,
    append_unreadable,
    event,
    in_time,
    ref,
    restricted,
    sid,
    wait_until,
)
from tests.service.watching import cursor_of

KEYS = Keys(ACCOUNT)
CREATED, ENDED = RoomEventType.ROOM_CREATED, RoomEventType.ROOM_ENDED
JOINED, LEFT = RoomEventType.PARTICIPANT_CONNECTED, RoomEventType.PARTICIPANT_DISCONNECTED
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def pa(number: int) -> ParticipantSid:
    return ParticipantSid(f"PA{number:032x}")


def created(room: int = 1, **values: object) -> RoomEvent:
    return event(CREATED, sid(room), **values)


def joined(participant: int = 1, room: int = 1, **values: object) -> RoomEvent:
    return event(JOINED, sid(room), participant_sid=pa(participant), **values)


def left(participant: int = 1, room: int = 1, **values: object) -> RoomEvent:
    return event(LEFT, sid(room), participant_sid=pa(participant), **values)


async def present(account: Account, *rooms: int, caller: Caller = ADMIN) -> list[object]:
    """For each room the SIDs of the participants in it, or None."""
    live = [(sid(room), RoomStatus.IN_PROGRESS) for room in rooms or (1,)]
    return [
        None if found is None else [stay.participant.sid for stay in found.participants]
        for found in await account.presence.of_rooms(caller, live)
    ]


def snapshot_of(position: LogPosition, *participants: int) -> PresenceSnapshot:
    return PresenceSnapshot(
        position.epoch,
        position.n,
        None,
        tuple(
            SnapshotStay(
                Participant(
                    sid=pa(number),
                    room_sid=sid(1),
                    account_sid=ACCOUNT,
                    status=ParticipantStatus.CONNECTED,
                    start_time=NOON,
                ),
                (),
            )
            for number in participants
        ),
    )


class Reads:
    """Counts the round trips that presence makes to Redis."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        read = PresenceStore.read

        async def counted(store: PresenceStore, sids: list[RoomSid]) -> object:
            self.count += 1
            return await read(store, sids)

        monkeypatch.setattr(PresenceStore, "read", counted)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


async def test_a_page_of_rooms_is_read_once_and_then_follows_the_log(
    site: Site, reads: Reads
) -> None:
    account = await site.replica()
    await site.append(*(created(room) for room in (1, 2, 3)), joined(1, 1), joined(2, 2))
    assert await present(account, 1, 2, 3, 4) == [[pa(1)], [pa(2)], [], None]
    assert reads.count == 1
    await site.append(joined(3, 1), left(2, 2), event(ENDED, sid(3)))
    assert await present(account, 1, 2, 3) == [[pa(1), pa(3)], [], []]
    assert reads.count == 1
    assert site.gate.calls == []


async def test_presence_is_as_of_the_newest_event_read(site: Site) -> None:
    account = await site.replica()
    *_, last = await site.append(created(), joined())
    found = await account.presence.of_room(ADMIN, ref(sid(1)))
    assert found is not None
    assert (found.room_sid, found.as_of) == (sid(1), cursor_of(site, last.position))


async def test_nobody_is_in_a_room_that_is_shown_as_ended(site: Site, reads: Reads) -> None:
    account = await site.replica()
    [found] = await account.presence.of_rooms(ADMIN, [(sid(9), RoomStatus.COMPLETED)])
    assert found is not None
    assert (found.participants, reads.count) == ((), 0)


async def test_rooms_of_which_the_log_lacks_a_part_are_unknown(
    site: Site, connections: Connections
) -> None:
    account = await site.replica()
    reconciled = RoomEventSource.RECONCILED
    appended = await site.append(
        joined(1, 1),  # its beginning is older than the log
        created(2, source=reconciled),
        joined(1, 2, source=reconciled),  # made elsewhere
        created(3, sequence_number=0),
        joined(1, 3, sequence_number=2),  # a callback is lost
        created(4),
        joined(1, 4),
        joined(2, 4),
    )
    await connections.commands.xdel(KEYS.room_log(sid(4)), f"{appended[-2].position.n}-0")
    assert await present(account, 1, 2, 3, 4) == [None] * 4
    added = event(RoomEventType.TRACK_ADDED, sid(3), participant_sid=pa(1), sequence_number=1)
    await site.append(added)
    assert await present(account, 3) == [[pa(1)]]


async def test_nobody_is_in_a_room_whose_end_is_all_that_the_log_has(site: Site) -> None:
    account = await site.replica()
    await site.append(joined(1, 1), event(ENDED, sid(1)))
    assert await present(account, 1) == [[]]


async def test_a_story_that_is_too_long_is_unknown_until_there_is_a_snapshot(
    site: Site, connections: Connections
) -> None:
    account = await site.replica()
    await site.append(created(), *(joined(number) for number in range(STORY_LENGTH)))
    assert await present(account) == [None]
    last = account.tail.position
    await PresenceStore(connections, ACCOUNT).put_snapshot(sid(1), snapshot_of(last, 1, 2))
    await site.append(left(2), joined(3))
    assert await present(account) == [[pa(1), pa(3)]]


async def test_a_snapshot_is_void_without_the_events_after_it(
    site: Site, connections: Connections
) -> None:
    account, store = await site.replica(), PresenceStore(connections, ACCOUNT)
    first, *_ = await site.append(
        created(1, source=RoomEventSource.RECONCILED), joined(1), joined(2)
    )
    await store.put_snapshot(sid(1), snapshot_of(first.position))
    await connections.commands.xtrim(KEYS.room_log(sid(1)), maxlen=1, approximate=False)
    assert await present(account) == [None]
    await store.put_snapshot(sid(1), snapshot_of(account.tail.position, 1, 2))
    assert await present(account) == [[pa(1), pa(2)]]


async def test_a_new_epoch_forgets_every_room(site: Site, connections: Connections) -> None:
    account, store = await site.replica(), PresenceStore(connections, ACCOUNT)
    await site.append(created(), joined())
    assert await present(account) == [[pa(1)]]
    old = account.tail.position
    await site.log.replace_epoch(old.epoch)
    await wait_until(lambda: account.tail.position.epoch != old.epoch)
    # Events of this room may have been lost with the old epoch.
    assert await present(account) == [None]
    await store.put_snapshot(sid(1), snapshot_of(old, 1))
    assert await present(account) == [None]
    await store.put_snapshot(sid(1), snapshot_of(account.tail.position, 1))
    assert await present(account) == [[pa(1)]]


async def test_a_room_with_an_event_that_cannot_be_read_is_unknown(
    site: Site, connections: Connections
) -> None:
    account = await site.replica()
    *_, last = await site.append(created(), joined())
    assert await present(account) == [[pa(1)]]
    unreadable = f'{{"room_sid": "{sid(1)}", "type": "participant-teleported"}}'
    await append_unreadable(connections, last.position, unreadable, sid(1))
    await site.wait_until_read(last.position.n + 1)
    assert await present(account) == [None]


async def test_a_process_that_lags_the_log_asks_redis(site: Site, reads: Reads) -> None:
    site.log_timings = replace(site.log_timings, caught_up_s=-1.0)
    account = await site.replica()
    await site.append(created(), joined())
    for _ in range(2):
        assert await present(account) == [[pa(1)]]
    assert reads.count == 2
    await site.log.append(left(), "not yet read by the tail")
    assert await present(account) == [[]]


async def test_without_redis_a_lagging_process_says_so(confined: Confined, site: Site) -> None:
    site.log_timings = replace(site.log_timings, caught_up_s=-1.0)
    account = await site.replica(confined.connections)
    await site.append(created())
    await confined.keep()
    with pytest.raises(UpstreamUnavailable):
        await present(account)


async def test_i11_a_change_of_ours_shows_at_once(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account)
    ada, bob = site.join(room.sid, "ada"), site.join(room.sid, "bob")
    await site.append(
        event(CREATED, room.sid),
        *(event(JOINED, room.sid, participant_sid=user.sid) for user in (ada, bob)),
    )
    found = await account.presence.of_room(ADMIN, ref(room.sid))
    assert found is not None
    assert len(found.participants) == 2
    # The tail stops, so only the change itself can be seen.
    site.tails[0].cancel()
    await account.participants.disconnect(
        ADMIN, ref(room.sid), ParticipantRef(ParticipantSid(ada.sid), None)
    )
    found = await account.presence.of_room(ADMIN, ref(room.sid))
    assert found is not None
    assert [stay.participant.sid for stay in found.participants] == [bob.sid]


async def test_i12_only_rooms_within_the_grants_are_found(site: Site) -> None:
    account = await site.replica()
    room = await site.create(account, "daily")
    await site.append(event(CREATED, room.sid))
    for name in (room.sid, "daily"):
        assert await account.presence.of_room(restricted(name), ref(name)) is not None
        with pytest.raises(NotFound):
            await account.presence.of_room(restricted(sid(2)), ref(name))
    [found, missing] = await account.presence.of_refs(ADMIN, [ref("daily"), ref("weekly")])
    assert found is not None
    assert isinstance(missing, NotFound)
    with pytest.raises(NotFound):
        await account.presence.of_room(ADMIN, ref("nobody-has-this-name"))
    with pytest.raises(PermissionDenied):
        await present(account, caller=Caller(ACCOUNT, "x", frozenset({Scope.TOKENS_MINT})))


def folded(events: Iterable[RoomEvent], room: int) -> tuple[Stay, ...]:
    """Who is in the room by all these events."""
    state = PresenceState.empty(sid(room), ACCOUNT).begun()
    for one in events:
        state = state.after(one) if one.room_sid == sid(room) else state
    assert state.present is not None
    return state.present


async def test_random_histories_on_two_replicas_agree_with_a_fold_of_the_log(site: Site) -> None:
    """Reads and snapshots at random moments, some rooms evicted meanwhile, events
    repeated and overtaking each other. The log has the beginning of two rooms."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    site.log_timings = replace(site.log_timings, presence_rooms=2)
    accounts = [await site.replica(), await site.replica()]
    store, now = PresenceStore(site.connections, ACCOUNT), datetime.now(UTC)
    rooms = range(1, 5)
    happened = [
        created(room, source=RoomEventSource.RECONCILED if room > 2 else RoomEventSource.CALLBACK)
        for room in rooms
    ]
    for second in range(60):
        make, at = dice.choice([joined, joined, left]), now + timedelta(seconds=second)
        happened.append(make(dice.randrange(6), dice.choice(rooms), event_time=at))
    events = sorted(
        happened, key=lambda one: one.event_time + timedelta(seconds=20 * dice.random() ** 3)
    )
    shown_at = set(dice.sample(range(5, 64), 6)) | {30}
    for index, one in enumerate(events):
        for repeat in range(dice.choice([1, 1, 1, 2])):
            appended = await site.log.append(one, f"{index} {repeat}")
        if index in shown_at:
            # Twilio shows everything that happened, also what is not logged yet.
            until = max(past.event_time for past in events[: index + 1])
            so_far = [past for past in happened if past.event_time <= until]
            for room in rooms:
                stays = tuple(SnapshotStay(stay.participant, ()) for stay in folded(so_far, room))
                position = appended.position
                snapshot = PresenceSnapshot(position.epoch, position.n, None, stays)
                await store.put_snapshot(sid(room), snapshot)
        if dice.random() < 0.3:
            await present(dice.choice(accounts), dice.choice(rooms), dice.choice(rooms))
    await site.append(joined(9, 9))
    for room in rooms:
        expected = [stay.participant.sid for stay in folded(events, room)]
        for account in accounts:
            assert await present(account, room) == [expected]


class SlowRead:
    """Redis answers, and presence gets the answer only when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_read, self.go = asyncio.Event(), asyncio.Event()
        read = PresenceStore.read

        async def slow(store: PresenceStore, sids: list[RoomSid]) -> object:
            found = await read(store, sids)
            self.is_read.set()
            await self.go.wait()
            return found

        monkeypatch.setattr(PresenceStore, "read", slow)


async def test_events_that_arrive_during_a_read_are_not_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()
    await site.append(created(), joined(1))
    slow = SlowRead(monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(present(account))
        await in_time(slow.is_read.wait())
        await site.append(joined(2))
        slow.go.set()
    assert reading.result() == [[pa(1), pa(2)]]
    assert await present(account) == [[pa(1), pa(2)]]


async def test_a_stream_after_the_cursor_misses_no_event_of_a_remembered_room(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await site.replica()
    *_, last = await site.append(created(1), created(2), joined(1, 1))
    assert await present(account, 1) == [[pa(1)]]
    slow = SlowRead(monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        live = [(sid(room), RoomStatus.IN_PROGRESS) for room in (1, 2)]
        reading = tasks.create_task(account.presence.of_rooms(ADMIN, live))
        await in_time(slow.is_read.wait())
        await site.append(joined(2, 1))
        slow.go.set()
    found, _ = reading.result()
    assert found is not None
    is_shown = len(found.participants) == 2
    assert is_shown or found.as_of == cursor_of(site, last.position)
