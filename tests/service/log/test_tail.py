import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.cursors import CursorCodec, LogPosition
from gateway.core.errors import UpstreamUnavailable
from gateway.core.events import ResyncReason, RoomEventType
from gateway.core.rooms import Room, RoomSid
from gateway.service.cache.memory import ResponseMemory
from gateway.service.cache.rooms import room_kind, room_query
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.log.timings import LogTimings
from gateway.store.cache import CacheEntry
from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer
from gateway.store.eventlog import EventLog, Unreadable
from gateway.store.keys import Keys
from tests.service.conftest import (
    ACCOUNT,
    PATIENT,
    SECRET,
    RunningTail,
    append_unreadable,
    event,
    in_time,
    running_tail,
    sid,
    some_room,
    wait_until,
)

KEYS = Keys(ACCOUNT)
ENDED = RoomEventType.ROOM_ENDED
QUERY = room_query(room_kind(), sid(1))


def room_entry(seen_n: int) -> CacheEntry[Room | None]:
    return CacheEntry(some_room(), 0.0, seen_n, None, is_settled=True)


def numbers(running: RunningTail) -> list[int]:
    """The numbers in the ring, counted from its floor."""
    ring = running.tail.ring
    return [old.entry.position.n - ring.floor.n for old in ring.after(ring.floor.n)]


async def append_many(
    running: RunningTail, count: int, room_sid: RoomSid | None = None
) -> list[int]:
    return [
        appended.position.n
        for appended in await running.append(*(event(room_sid=room_sid) for _ in range(count)))
    ]


async def test_a_new_process_starts_with_the_newest_entries(connections: Connections) -> None:
    async with running_tail(connections) as running:
        appended = await append_many(running, 4)
    async with running_tail(connections, replace(PATIENT, ring_entries=3)) as later:
        ring = later.tail.ring
        assert [entry.position.n for entry in ring.readable_after(appended[1])] == appended[2:]
        assert ring.floor.n == appended[1]


async def test_memory_is_updated_before_any_notification(connections: Connections) -> None:
    async with running_tail(connections) as running:
        responses = ResponseMemory(running.memory)
        responses.put(QUERY, room_entry(running.tail.position.n))
        with running.tail.notifier(sid(1)) as notifier:
            notifier.clear()
            rung = asyncio.get_running_loop().create_task(notifier.wait(5))
            await running.events.append(event(ENDED), "ended")
            assert await rung
            assert responses.get(QUERY) is None


async def test_an_event_notifies_its_room_and_the_account(
    connections: Connections,
) -> None:
    async with running_tail(connections) as running:
        with (
            running.tail.notifier(sid(1)) as own,
            running.tail.notifier(sid(2)) as other,
            running.tail.notifier(None) as all_,
        ):
            await append_many(running, 1, sid(1))
            assert [await notifier.wait(0) for notifier in (own, other, all_)] == [
                True,
                False,
                True,
            ]


async def test_i16_nothing_is_left_of_closed_notifiers(connections: Connections) -> None:
    async with running_tail(connections) as running:
        with (
            running.tail.notifier(sid(1)),
            running.tail.notifier(sid(1)),
            running.tail.notifier(None),
        ):
            pass
        assert len(running.tail._notifiers) == 0


@pytest.mark.parametrize("newest", [0, 1])
async def test_a_wiped_log_starts_a_new_generation(connections: Connections, newest: int) -> None:
    """Also if the first thing that is read of the new log is an entry."""
    async with running_tail(connections, replace(PATIENT, check_s=0.0)) as running:
        await append_many(running, 2)
        before = running.tail.position
        responses = ResponseMemory(running.memory)
        responses.put(QUERY, room_entry(before.n))
        with running.tail.notifier(sid(9)) as notifier:
            notifier.clear()
            await connections.commands.flushall()
            for number in range(newest):
                await running.events.append(event(), f"after {number}")
            assert await in_time(notifier.wait(5))
        assert (running.tail.generation, running.tail.reset_reason) == (1, ResyncReason.EPOCH)
        assert running.tail.position.epoch != before.epoch
        assert responses.get(QUERY) is None
        assert len(numbers(running)) == newest


async def test_a_rolled_back_log_starts_a_new_epoch(connections: Connections) -> None:
    """Its numbers would be assigned again, and a value that was fetched at the first of
    them would count as new at the second."""
    async with running_tail(connections, replace(PATIENT, check_s=0.0)) as running:
        [kept, lost] = await running.append(event(), event())
        # In one step, as when a server starts from an older file: the log as it was
        # before the last entry.
        pipeline = connections.commands.pipeline(transaction=True)
        entry = await _copy_of_last(connections)
        pipeline.delete(KEYS.log)
        pipeline.xadd(KEYS.log, entry, id=f"{kept.position.n}-0")
        pipeline.hset(KEYS.meta, "n", kept.position.n)
        await pipeline.execute()
        await wait_until(lambda: running.tail.generation == 1)
        assert running.tail.reset_reason is ResyncReason.ROLLED_BACK
        assert running.tail.position.epoch != kept.position.epoch
        assert running.tail.position.n > lost.position.n


async def test_a_log_that_diverged_before_the_known_position_starts_a_new_epoch(
    connections: Connections,
) -> None:
    """As after an asynchronous failover: the same numbers are assigned again in the
    same epoch, and no check ran meanwhile."""
    async with running_tail(connections, replace(PATIENT, check_s=60.0)) as running:
        [kept] = await running.append(event())
        behind = await _dump(connections)
        lost = (await running.append(event(room_sid=sid(2)), event(room_sid=sid(2))))[-1]
        await _restore(connections, behind)
        # Another process appends, until it is past what this one has read.
        others = EventLog(connections, ACCOUNT)
        again = [
            (await others.append(event(room_sid=sid(3)), f"other {number}")).position
            for number in range(3)
        ]
        assert [position.n for position in again[:2]] == [kept.position.n + 1, lost.position.n]
        assert again[0].epoch == lost.position.epoch
        await wait_until(lambda: running.tail.generation == 1)
        assert running.tail.reset_reason is ResyncReason.DIVERGED
        assert running.tail.position.epoch != kept.position.epoch


async def test_an_acknowledged_append_that_is_lost_before_it_is_read_is_announced(
    connections: Connections,
) -> None:
    async with running_tail(connections, replace(PATIENT, check_s=0.0)) as running:
        [kept] = await running.append(event())
        # The server acknowledged it and died. The one that took over never received it.
        running.events.acknowledged.add(_lost_after(kept.position))
        await wait_until(lambda: running.tail.generation == 1)
        assert running.tail.reset_reason is ResyncReason.ROLLED_BACK
        assert running.tail.position.epoch != kept.position.epoch


@pytest.mark.parametrize("appends_again", [False, True], ids=["other process", "this process"])
async def test_p6_an_acknowledged_append_whose_number_is_assigned_again_is_announced(
    connections: Connections, appends_again: bool
) -> None:
    """As after a failover that lost it, when events follow before the next check."""
    async with running_tail(connections, replace(PATIENT, check_s=60.0)) as running:
        [kept] = await running.append(event())
        lost = _lost_after(kept.position)
        running.events.acknowledged.add(lost)
        log = running.events if appends_again else EventLog(connections, ACCOUNT)
        again = [(await log.append(event(), f"another {number}")).position.n for number in range(2)]
        assert again[0] == lost.n
        await wait_until(lambda: running.tail.generation == 1)
        assert running.tail.reset_reason is ResyncReason.DIVERGED
        assert running.tail.position.epoch != lost.epoch


async def test_a_read_in_which_the_epoch_changes_is_a_reset(
    connections: Connections,
) -> None:
    async with running_tail(connections) as running:
        await append_many(running, 1)
        before = running.tail.position
        pipeline = connections.commands.pipeline(transaction=True)
        pipeline.xadd(KEYS.log, await _copy_of_last(connections), id=f"{before.n + 1}-0")
        other = {**await _copy_of_last(connections), b"e": b"0" * 16}
        pipeline.xadd(KEYS.log, other, id=f"{before.n + 5}-0")
        await pipeline.execute()
        await wait_until(lambda: running.tail.generation == 1)
        assert numbers(running) == []
        assert running.tail.reset_reason is ResyncReason.EPOCH


async def test_a_gap_in_the_log_is_announced(connections: Connections) -> None:
    """An entry was deleted before it was read."""
    async with running_tail(connections) as running:
        await append_many(running, 1)
        position = running.tail.position
        pipeline = connections.commands.pipeline(transaction=True)
        pipeline.xadd(KEYS.log, await _copy_of_last(connections), id=f"{position.n + 2}-0")
        pipeline.hset(KEYS.meta, "n", position.n + 2)
        await pipeline.execute()
        await wait_until(lambda: running.tail.generation == 1)
        assert running.tail.reset_reason is ResyncReason.TRIMMED
        assert running.tail.position == LogPosition(position.epoch, position.n + 2, position.tag)
        appended = await append_many(running, 2)
        assert [
            entry.position.n for entry in running.tail.ring.readable_after(position.n + 2)
        ] == appended


@pytest.mark.parametrize(
    ("event", "room_sid"), [("{", None), (f'{{"room_sid": "{sid(1)}", "type": "x"}}', sid(1))]
)
async def test_an_unreadable_entry_keeps_its_position_and_invalidates_memory(
    connections: Connections, event: str, room_sid: RoomSid | None
) -> None:
    async with running_tail(connections) as running:
        await append_many(running, 1)
        position = running.tail.position
        responses = ResponseMemory(running.memory)
        responses.put(QUERY, room_entry(position.n))
        assert responses.get(QUERY) is not None
        with running.tail.notifier(sid(1)) as notifier, running.tail.notifier(sid(2)) as other:
            await append_unreadable(connections, position, event)
            await wait_until(lambda: running.tail.position.n == position.n + 1)
            assert await notifier.wait(0)
            assert await other.wait(0) == (room_sid is None)
        [last] = running.tail.ring.after(position.n)
        assert isinstance(last.entry, Unreadable)
        assert (last.entry.room_sid, running.tail.generation) == (room_sid, 0)
        responses.put(QUERY, room_entry(position.n))
        assert responses.get(QUERY) is None
    async with running_tail(connections) as later:
        assert (later.tail.position, numbers(later)) == (last.entry.position, [1, 2])


async def test_a_full_read_does_not_confirm_that_memory_is_current(
    connections: Connections,
) -> None:
    """More entries may follow, and one may be an end."""
    confirmed_at: list[int] = []

    class Watched(RoomMemory):
        def confirm_caught_up(self) -> None:
            super().confirm_caught_up()
            confirmed_at.append(tail.position.n)

    events, memory = EventLog(connections, ACCOUNT), Watched()
    async with running_tail(connections) as running:
        tail = Tail(events, memory, running.cursor_codec, replace(PATIENT, read_count=2))
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(tail.run())
            await in_time(tail.ready())
            pipeline = connections.commands.pipeline(transaction=True)
            beginning = tail.position.n
            appended = await running.append(event())
            entry = await _copy_of_last(connections)
            for n in range(appended[0].position.n + 1, appended[0].position.n + 6):
                pipeline.xadd(KEYS.log, entry, id=f"{n}-0")
            pipeline.hset(KEYS.meta, "n", appended[0].position.n + 5)
            await pipeline.execute()
            await wait_until(
                lambda: tail.position.n == beginning + 6 and confirmed_at[-1] == beginning + 6
            )
            task.cancel()
    # Five entries at once are read as two, two and one.
    assert set(confirmed_at) <= {beginning, beginning + 1, beginning + 6}


async def test_the_tail_recovers_when_redis_answers_again() -> None:
    async with EmbeddedServer() as server:
        connections, operator = Connections(server.url), Connections(server.url)
        try:
            async with running_tail(connections, LogTimings(lost_s=0.2)) as running:
                await append_many(running, 1)
                # Redis answers nothing for longer than any command waits.
                await operator.commands.execute_command("CLIENT", "PAUSE", "1500", "ALL")
                await wait_until(lambda: not running.memory.is_current)
                await wait_until(lambda: not running.tail.is_healthy and running.tail.is_redis_away)
                await wait_until(lambda: running.memory.is_current)
                assert running.tail.is_healthy
                assert not running.tail.is_redis_away
                await append_many(running, 1)
                assert numbers(running) == [1, 2]
                assert running.tail.generation == 0
        finally:
            await operator.aclose()
            await connections.aclose()


async def test_the_tail_retries_while_redis_refuses_connections() -> None:
    connections = Connections("redis://127.0.0.1:1")
    tail = Tail(EventLog(connections, ACCOUNT), RoomMemory(), CursorCodec((SECRET,), ACCOUNT))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(tail.run())
        await wait_until(lambda: tail.is_redis_away)
        assert not tail.is_healthy
        with pytest.raises(UpstreamUnavailable):
            _ = tail.position
        assert not running.done()
        running.cancel()
    await connections.aclose()


async def test_the_tail_can_be_cancelled_at_any_moment(connections: Connections) -> None:
    """Also just when it sends a command to Redis, where Python 3.11 may lose a
    cancellation."""
    for _ in range(4):
        async with running_tail(connections) as running:
            with running.tail.notifier(None) as notifier:
                notifier.clear()
                await running.events.append(event(), f"{running.tail.position}")
                assert await notifier.wait(5)
            running.task.cancel()
            await in_time(asyncio.wait([running.task]))


async def test_as_of_is_the_newest_position_that_rest_must_show(connections: Connections) -> None:
    async with running_tail(connections) as running:
        beginning = running.tail.position
        await append_many(running, 2)
        assert running.tail.as_of() == beginning
    async with running_tail(connections, replace(PATIENT, rest_lag_s=0.0)) as running:
        assert running.tail.as_of() == running.tail.position


async def test_old_entries_are_trimmed_from_time_to_time(connections: Connections) -> None:
    timings = replace(PATIENT, check_s=0.0, trim_s=0.0)
    async with running_tail(connections, timings) as running:
        [appended] = await running.append(event())
        old = {**await _copy_of_last(connections), b"t": b"1"}
        pipeline = connections.commands.pipeline(transaction=True)
        for number in range(1, 301):
            pipeline.xadd(KEYS.log, old, id=f"{appended.position.n + number}-0")
        pipeline.hset(KEYS.meta, "n", appended.position.n + 300)
        await pipeline.execute()
        await connections.commands.xdel(KEYS.log, f"{appended.position.n}-0")

        async def shrunk() -> None:
            while await connections.commands.xlen(KEYS.log) >= 300:
                pass

        await in_time(shrunk())


def _lost_after(position: LogPosition) -> LogPosition:
    return LogPosition(position.epoch, position.n + 1, b"the lost")


async def _copy_of_last(connections: Connections) -> dict[Any, Any]:
    """The fields as an older release logged them: without the tag of the entry
    before."""
    entries: Any = await connections.commands.xrevrange(KEYS.log, count=1)
    [(_, fields)] = entries
    return {name: value for name, value in fields.items() if name != b"p"}


async def _dump(connections: Connections) -> dict[bytes, Any]:
    redis = connections.commands
    return {key: await redis.dump(key) for key in (KEYS.log.encode(), KEYS.meta.encode())}


async def _restore(connections: Connections, dump: dict[bytes, Any]) -> None:
    pipeline = connections.commands.pipeline(transaction=True)
    for key, value in dump.items():
        pipeline.restore(key, 0, value, replace=True)
    await pipeline.execute()
