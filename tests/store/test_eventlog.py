import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.core.cursors import NO_TAG, LogPosition
from gateway.core.errors import UpstreamUnavailable
from gateway.core.events import ResyncReason, RoomEvent, RoomEventType, TrackKind
from gateway.core.rooms import AccountSid, Ended, RoomStatus, RoomType
from gateway.store.cache import NamePointer, ResponseCache, RoomIndex
from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog, Head, Logged, Unreadable, encode_event
from gateway.store.keys import Keys, dedupe_hash
from tests.store.samples import (
    ACCOUNT,
    AT,
    END,
    ROOM,
    changed,
    created,
    ended,
    events_of,
    fetched,
    joined,
    look_up,
    room,
    room_key,
    sid,
)

KEYS = Keys(ACCOUNT)


@pytest.fixture
def log(connections: Connections) -> EventLog:
    return EventLog(connections, ACCOUNT)


async def positions(log: EventLog, count: int) -> list[LogPosition]:
    return [
        (await log.append(joined(number), f"callback {number}")).position for number in range(count)
    ]


async def test_an_opened_log_has_an_epoch_and_no_entries(log: EventLog) -> None:
    head = await log.open()

    assert (head.position.n, head.position.tag) == (head.base, NO_TAG)
    assert await log.open() == head
    assert await log.read(0, 10) == []


async def test_entries_are_numbered_without_gaps_from_the_epochs_beginning(log: EventLog) -> None:
    head = await log.open()

    logged = await positions(log, 3)

    assert [position.n for position in logged] == [head.base + 1, head.base + 2, head.base + 3]
    assert {position.epoch for position in logged} == {head.position.epoch}
    assert (await log.open()).position == logged[-1]


async def test_an_append_opens_the_log(log: EventLog) -> None:
    (position,) = await positions(log, 1)

    head = await log.open()

    assert (head.position, head.base) == (position, position.n - 1)


async def test_i2_a_repeated_callback_is_logged_once(log: EventLog) -> None:
    first = await log.append(joined(), "callback")
    # The event may differ the second time: `late` depends on when it was received.
    again = await log.append(replace(joined(), late=True), "callback")

    assert (first.is_new, again.is_new) == (True, False)
    assert again.position == first.position
    assert len(await log.read(0, 10)) == 1


async def test_i2_event_that_may_repeat_a_logged_one_is_not_logged(
    log: EventLog, connections: Connections
) -> None:
    first = await log.append(created(), "creation")
    late = created(late=True)
    again = await log.append(late, "callback", may_repeat="creation")
    assert (again.is_new, again.position) == (False, first.position)
    # The record may be deleted: then the last entries of the log are searched.
    await connections.commands.delete(Keys(ACCOUNT).dedupe(dedupe_hash("creation")))
    assert not (await log.append(late, "callback", may_repeat="creation")).is_new
    # A late event does not stand for the one that it may repeat.
    assert (await log.append(created(sid(2), late=True), "other", may_repeat="second")).is_new
    assert (await log.append(created(sid(2)), "second")).is_new
    assert not (await log.append(created(sid(2), late=True), "other", may_repeat="second")).is_new
    assert len(await log.read(0, 10)) == 3


async def test_i2_concurrent_appends_of_one_callback_log_it_once(
    log: EventLog, redis_url: str
) -> None:
    others = Connections(redis_url)
    other = EventLog(others, ACCOUNT)

    answers = await asyncio.gather(
        *(one.append(joined(), "callback") for one in (log, other) for _ in range(20))
    )

    assert [answer.is_new for answer in answers].count(True) == 1
    assert len({answer.position for answer in answers}) == 1
    assert len(await log.read(0, 10)) == 1
    await others.aclose()


async def test_concurrent_appends_leave_no_gap(log: EventLog) -> None:
    answers = await asyncio.gather(
        *(log.append(joined(i, sid(i % 7)), f"callback {i}") for i in range(100))
    )

    numbers = sorted(answer.position.n for answer in answers)
    assert numbers == list(range(numbers[0], numbers[0] + 100))
    assert [entry.position.n for entry in await log.read(0, 200)] == numbers


async def test_an_event_is_read_as_it_was_appended_with_its_time(log: EventLog) -> None:
    full = RoomEvent(
        type=RoomEventType.TRACK_ADDED,
        account_sid=ACCOUNT,
        room_sid=ROOM,
        event_time=AT,
        late=True,
        room_name="тест / ..",
        sequence_number=0,
        room_status=RoomStatus.IN_PROGRESS,
        room_type=RoomType.GROUP,
        participant_sid="PA" + "1" * 32,
        participant_duration=0,
        track_sid="MT" + "1" * 32,
        track_kind=TrackKind.VIDEO,
        track_name="",
    )
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    await log.append(full, "full")
    await log.append(changed(), "changed")

    entries = await log.read(0, 10)

    assert events_of(entries) == [full, changed()]
    assert all(before <= entry.logged_at <= datetime.now(UTC) for entry in entries)


def test_unset_fields_of_an_event_are_not_stored() -> None:
    assert b"null" not in encode_event(changed())


async def test_entries_of_a_room_have_the_same_positions_as_in_the_log(log: EventLog) -> None:
    for number in range(6):
        await log.append(joined(number, sid(number % 2)), f"callback {number}")

    whole, own = await log.read(0, 10), await log.read(0, 10, sid(1))

    assert own == whole[1::2]
    assert await log.read(own[0].position.n, 1, sid(1)) == [own[1]]
    assert await log.read_last(2, sid(1)) == own[1:]
    assert await log.read_last(2) == whole[4:]


async def test_entries_added_by_hand_are_skipped(log: EventLog, connections: Connections) -> None:
    first, second = await positions(log, 2)
    await connections.commands.xadd(KEYS.log, {"x": "y"}, id=f"{second.n}-1")
    await connections.commands.xadd(
        KEYS.log, {"e": "x", "t": "y", "d": "z", "j": "{"}, id=f"{second.n}-2"
    )
    third = (await log.append(joined(3), "third")).position

    assert third.n == second.n + 1
    assert [entry.position for entry in await log.read(first.n - 1, 1)] == [first]
    assert [entry.position for entry in await log.read(second.n, 1)] == [third]
    assert [entry.position for entry in (await log.tail(second.n, 10, 1000)).entries] == [third]


async def test_a_waiting_tail_returns_a_new_entry(log: EventLog) -> None:
    head = await log.open()

    async with asyncio.TaskGroup() as tasks:
        tail = tasks.create_task(log.tail(head.position.n, 10, 5_000))
        appended = tasks.create_task(log.append(joined(), "callback"))

    assert [entry.position for entry in tail.result().entries] == [appended.result().position]


async def test_a_tail_without_new_entries_returns_nothing_after_its_block_time(
    log: EventLog,
) -> None:
    (position,) = await positions(log, 1)

    assert (await log.tail(position.n, 10, 1)).entries == []


async def test_every_assigned_position_is_valid_while_the_log_is_whole(log: EventLog) -> None:
    beginning = (await log.open()).position
    assigned = await positions(log, 3)

    for position in (beginning, *assigned):
        head = await log.check(position)
        assert isinstance(head, Head)
        assert head.position == assigned[-1]


async def test_i6_a_position_of_another_log_is_refused_with_the_reason(
    log: EventLog,
) -> None:
    _, second, last = await positions(log, 3)

    assert await log.check(LogPosition("0" * 16, last.n, last.tag)) is ResyncReason.EPOCH
    assert (
        await log.check(LogPosition(last.epoch, last.n + 1, last.tag)) is ResyncReason.ROLLED_BACK
    )
    assert await log.check(LogPosition(last.epoch, last.n, second.tag)) is ResyncReason.DIVERGED
    assert await log.check(LogPosition(last.epoch, second.n, last.tag)) is ResyncReason.DIVERGED
    assert await log.check(LogPosition(last.epoch, second.n - 2 - 1, NO_TAG)) is ResyncReason.EPOCH


async def test_i6_a_position_is_trimmed_when_its_entry_or_a_later_one_is_gone(
    log: EventLog, connections: Connections
) -> None:
    beginning = (await log.open()).position
    first, second, third = await positions(log, 3)
    await connections.commands.xtrim(KEYS.log, minid=f"{third.n}-0", approximate=False)

    assert await log.check(beginning) is ResyncReason.TRIMMED
    assert await log.check(first) is ResyncReason.TRIMMED
    assert isinstance(await log.check(third), Head)
    # Everything after the second is there. But without its own entry, nothing proves
    # that this is still the same log.
    assert await log.check(second) is ResyncReason.TRIMMED

    await connections.commands.xtrim(KEYS.log, maxlen=0, approximate=False)
    assert await log.check(second) is ResyncReason.TRIMMED
    assert isinstance(await log.check(third), Head)
    assert (await log.append(joined(9), "next")).position.n == third.n + 1


async def test_i6_an_entry_deleted_by_hand_voids_all_positions_before_it(
    log: EventLog, connections: Connections
) -> None:
    first, second, third, fourth = await positions(log, 4)
    await connections.commands.xdel(KEYS.log, f"{third.n}-0")

    assert await log.check(first) is ResyncReason.TRIMMED
    assert await log.check(second) is ResyncReason.TRIMMED
    assert await log.check(third) is ResyncReason.TRIMMED
    assert isinstance(await log.check(fourth), Head)


async def test_concurrent_resets_begin_one_new_epoch(log: EventLog) -> None:
    (position,) = await positions(log, 1)

    first, second = await asyncio.gather(
        log.replace_epoch(position.epoch), log.replace_epoch(position.epoch)
    )

    assert first.position == second.position
    assert first.position.epoch != position.epoch
    assert first.base > position.n
    assert await log.check(position) is ResyncReason.EPOCH
    assert (await log.append(joined(7), "next")).position.n == first.base + 1


async def test_history_is_complete_since_the_epochs_beginning_or_the_oldest_entry(
    log: EventLog, connections: Connections
) -> None:
    began = (await log.open()).complete_since
    await positions(log, 3)
    assert (await log.open()).complete_since == began
    second = (await log.read(0, 10))[1]

    await connections.commands.xtrim(KEYS.log, minid=f"{second.position.n}-0", approximate=False)

    assert (await log.open()).complete_since == second.logged_at


async def test_i16_trim_drops_old_entries_only(log: EventLog, connections: Connections) -> None:
    await connections.commands.config_set("stream-node-max-entries", 1)
    try:
        logged = await positions(log, 4)
        assert await log.trim(age_s=3600) == 0
        # As if two of the entries had been logged two days ago.
        old: dict[Any, Any] = {"e": logged[0].epoch, "t": 1_000, "d": "x", "j": "{}"}
        await connections.commands.delete(KEYS.log)
        for number, position in enumerate(logged):
            entry = old if number < 2 else old | {"t": 4_000_000_000_000}
            await connections.commands.xadd(KEYS.log, entry, id=f"{position.n}-0")

        assert await log.trim(age_s=3600) == 2
        left: Any = await connections.commands.xrange(KEYS.log)
        assert [int(entry[0].split(b"-")[0]) for entry in left] == [
            position.n for position in logged[2:]
        ]
    finally:
        await connections.commands.config_set("stream-node-max-entries", 100)


async def test_i16_the_log_keeps_about_its_configured_length(connections: Connections) -> None:
    log = EventLog(connections, ACCOUNT, length=100)
    for begin in range(0, 450, 50):
        await asyncio.gather(
            *(log.append(joined(i), f"callback {i}") for i in range(begin, begin + 50))
        )

    assert 100 <= await connections.commands.xlen(KEYS.log) < 300


async def test_an_event_sets_the_versions_of_its_fences_to_its_number(
    log: EventLog, connections: Connections
) -> None:
    first = (await log.append(created(), "created")).position
    second = (await log.append(joined(), "joined")).position

    assert await connections.commands.hgetall(KEYS.versions(ROOM)) == {
        b"room": str(first.n).encode(),
        b"people": str(second.n).encode(),
    }


async def test_a_late_event_makes_no_value_outdated(
    log: EventLog, connections: Connections
) -> None:
    await log.append(replace(joined(), late=True), "late")
    assert await connections.commands.hgetall(KEYS.versions(ROOM)) == {}
    # The end of a room is final, however late it is reported.
    end = (await log.append(replace(ended(), late=True), "ended")).position
    assert (await connections.commands.hgetall(KEYS.versions(ROOM)))[b"room"] == (
        str(end.n).encode()
    )


async def test_i9_the_first_end_of_a_room_is_final(log: EventLog, connections: Connections) -> None:
    index = RoomIndex(connections, ACCOUNT)
    await log.append(ended(duration=1800), "ended")
    await log.append(ended(duration=9), "ended otherwise")

    assert await index.ends([ROOM, sid(2)]) == {ROOM: Ended(RoomStatus.COMPLETED, END, 1800)}


async def test_i9_an_event_that_arrives_after_the_end_has_the_end(
    log: EventLog, connections: Connections
) -> None:
    """A delayed callback says that the room is in progress. Every reader sees more."""
    for event in (created(), ended(), joined(), created(sid(2))):
        await log.append(event, f"{event.type} {event.room_sid}")
    end = Ended(RoomStatus.COMPLETED, END, 1800)
    entries = await log.read(0, 10)
    assert [event.room_end for event in events_of(entries)] == [None, None, end, None]
    assert (await log.tail(0, 10, 1)).entries == entries
    assert await log.read_last(3, ROOM) == entries[:3]

    await connections.commands.hset(KEYS.end(ROOM), "end_time", "yesterday|")
    await log.append(joined(1), "joined with a damaged end")
    [damaged] = events_of(await log.read_last(1))
    assert damaged.room_end == Ended(RoomStatus.COMPLETED, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"participant_sid"', b'"somebody"'),
        (b'"sequence_number":1', b'"sequence_number":2147483648'),
    ],
    ids=["no SID of its subject", "a number that no face can show"],
)
async def test_an_event_that_no_face_can_show_cannot_be_read(
    log: EventLog, connections: Connections, old: bytes, new: bytes
) -> None:
    position = (await log.append(joined(), "joined")).position
    event = encode_event(replace(joined(), sequence_number=1))
    assert old in event
    nameless = event.replace(old, new)
    fields: dict[Any, Any] = {"e": position.epoch, "t": 1_000, "d": "x", "j": nameless}
    await connections.commands.xadd(KEYS.log, fields, id=f"{position.n + 1}-0")
    assert [type(entry) for entry in await log.read(0, 10)] == [Logged, Unreadable]


async def test_a_name_leads_to_its_room_until_the_room_ends(
    log: EventLog, connections: Connections
) -> None:
    index = RoomIndex(connections, ACCOUNT)
    await log.append(created(), "created")
    assert await index.resolve("standup") == NamePointer(ROOM)

    await log.append(created(sid(2)), "created again")
    await log.append(ended(ROOM), "ended")
    assert await index.resolve("standup") == NamePointer(sid(2))

    await log.append(ended(sid(2)), "ended again")
    assert await index.resolve("standup") is None


@pytest.mark.parametrize("late_event", [created(late=True), created(sid(3))])
async def test_a_creation_that_is_late_or_follows_the_end_takes_no_name(
    log: EventLog, connections: Connections, late_event: RoomEvent
) -> None:
    await log.append(ended(sid(3)), "ended")

    await log.append(late_event, "late")

    assert await RoomIndex(connections, ACCOUNT).resolve("standup") is None


async def test_i11_our_own_mutation_is_in_the_cache_at_once(
    log: EventLog, connections: Connections
) -> None:
    cache, index = ResponseCache(connections, ACCOUNT), RoomIndex(connections, ACCOUNT)
    await index.put_name("standup", None)
    answer = fetched(room(), 0, is_settled=False)

    logged = await log.append(changed(), "created by us", room=answer)

    cached = await look_up(cache, room_key())
    assert cached.entry == fetched(room(), logged.position.n, is_settled=False)
    assert not cached.is_outdated
    assert await index.resolve("standup") == NamePointer(ROOM)


async def test_our_own_completion_ends_the_room_and_frees_its_name(
    log: EventLog, connections: Connections
) -> None:
    cache, index = ResponseCache(connections, ACCOUNT), RoomIndex(connections, ACCOUNT)
    await log.append(created(), "created")
    over = fetched(room(RoomStatus.COMPLETED), 0, is_settled=False)

    await log.append(changed(RoomStatus.COMPLETED), "completed by us", room=over)

    cached = await look_up(cache, room_key())
    assert cached.entry is not None
    assert cached.entry.value is not None
    assert cached.entry.value.status is RoomStatus.COMPLETED
    assert cached.ended == Ended(RoomStatus.COMPLETED, END)
    assert await index.resolve("standup") is None


async def test_i9_an_answer_from_before_the_end_is_not_cached(
    log: EventLog, connections: Connections
) -> None:
    await log.append(ended(), "ended")

    await log.append(changed(), "changed by us", room=fetched(room(), 0, is_settled=False))

    assert (await look_up(ResponseCache(connections, ACCOUNT), room_key())).entry is None


async def test_redis_without_memory_refuses_an_append_without_a_trace(
    log: EventLog, connections: Connections
) -> None:
    await positions(log, 1)
    before = await log.read(0, 10)
    await connections.commands.config_set("maxmemory", 1)
    try:
        with pytest.raises(UpstreamUnavailable, match="Redis refused"):
            await log.append(ended(), "ended")
    finally:
        await connections.commands.config_set("maxmemory", 0)

    assert await log.read(0, 10) == before
    assert await RoomIndex(connections, ACCOUNT).ends([ROOM]) == {}
    assert (await log.append(ended(), "ended")).is_new


async def test_an_event_of_another_account_is_refused(connections: Connections) -> None:
    with pytest.raises(ValueError, match="another account"):
        await EventLog(connections, AccountSid("AC" + "f" * 32)).append(joined(), "callback")


async def test_reaches_back_says_whether_the_rooms_stream_has_all_later_entries(
    log: EventLog, connections: Connections
) -> None:
    head = await log.open()
    assert await log.reaches_back(ROOM, head.position.n)
    logged = await positions(log, 4)
    assert await log.reaches_back(ROOM, head.position.n)

    await connections.commands.xtrim(KEYS.room_log(ROOM), maxlen=2, approximate=False)

    assert [await log.reaches_back(ROOM, position.n) for position in logged] == [
        False,
        False,
        True,
        True,
    ]
    assert not await log.reaches_back(ROOM, head.position.n)
