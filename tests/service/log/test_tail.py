import asyncio
from dataclasses import replace

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
    Followed,
    event,
    following,
    sid,
    some_room,
    soon,
    tell_unreadable,
    until,
)

KEYS = Keys(ACCOUNT)
ENDED = RoomEventType.ROOM_ENDED
QUERY = room_query(room_kind(), sid(1))


def room_entry(seen_n: int) -> CacheEntry[Room | None]:
    return CacheEntry(some_room(), 0.0, seen_n, None, is_settled=True)


def numbers(followed: Followed) -> list[int]:
    """The numbers in the ring, counted from its floor."""
    ring = followed.tail.ring
    return [old.entry.position.n - ring.floor.n for old in ring.after(ring.floor.n)]


async def tell_many(followed: Followed, count: int, room_sid: RoomSid | None = None) -> list[int]:
    return [
        told.position.n
        for told in await followed.tell(*(event(room_sid=room_sid) for _ in range(count)))
    ]


async def test_a_new_process_starts_with_the_newest_entries(connections: Connections) -> None:
    async with following(connections) as followed:
        told = await tell_many(followed, 4)
    async with following(connections, replace(PATIENT, ring_entries=3)) as later:
        ring = later.tail.ring
        assert [entry.position.n for entry in ring.readable_after(told[1])] == told[2:]
        assert ring.floor.n == told[1]


async def test_memory_is_updated_before_any_notification(connections: Connections) -> None:
    async with following(connections) as followed:
        responses = ResponseMemory(followed.memory)
        responses.put(QUERY, room_entry(followed.tail.position.n))
        with followed.tail.notifier(sid(1)) as notifier:
            notifier.clear()
            rung = asyncio.get_running_loop().create_task(notifier.wait(5))
            await followed.events.append(event(ENDED), "ended")
            assert await rung
            assert responses.get(QUERY) is None


async def test_an_event_notifies_its_room_and_the_account(
    connections: Connections,
) -> None:
    async with following(connections) as followed:
        with (
            followed.tail.notifier(sid(1)) as own,
            followed.tail.notifier(sid(2)) as other,
            followed.tail.notifier(None) as all_,
        ):
            await tell_many(followed, 1, sid(1))
            assert [await notifier.wait(0) for notifier in (own, other, all_)] == [
                True,
                False,
                True,
            ]


async def test_i16_nothing_is_left_of_closed_notifiers(connections: Connections) -> None:
    async with following(connections) as followed:
        with (
            followed.tail.notifier(sid(1)),
            followed.tail.notifier(sid(1)),
            followed.tail.notifier(None),
        ):
            pass
        assert len(followed.tail._notifiers) == 0


@pytest.mark.parametrize("newest", [0, 1])
async def test_a_wiped_log_starts_a_new_generation(connections: Connections, newest: int) -> None:
    """Also when the first that is heard of the new one is an entry of it."""
    async with following(connections, replace(PATIENT, check_s=0.0)) as followed:
        await tell_many(followed, 2)
        before = followed.tail.position
        responses = ResponseMemory(followed.memory)
        responses.put(QUERY, room_entry(before.n))
        with followed.tail.notifier(sid(9)) as notifier:
            notifier.clear()
            await connections.commands.flushall()
            for number in range(newest):
                await followed.events.append(event(), f"after {number}")
            assert await soon(notifier.wait(5))
        assert (followed.tail.generation, followed.tail.reset_reason) == (1, ResyncReason.EPOCH)
        assert followed.tail.position.epoch != before.epoch
        assert responses.get(QUERY) is None
        assert len(numbers(followed)) == newest


async def test_a_rolled_back_log_starts_a_new_epoch(connections: Connections) -> None:
    """Its numbers would be given out again, and a fetch of the first time would pass
    for one of the second."""
    async with following(connections, replace(PATIENT, check_s=0.0)) as followed:
        [kept, lost] = await followed.tell(event(), event())
        # As it was before the last entry, at once, as a server does that starts from an
        # older file.
        pipeline = connections.commands.pipeline(transaction=True)
        entry = await _copy_of_last(connections)
        pipeline.delete(KEYS.log)
        pipeline.xadd(KEYS.log, entry, id=f"{kept.position.n}-0")
        pipeline.hset(KEYS.meta, "n", kept.position.n)
        await pipeline.execute()
        await until(lambda: followed.tail.generation == 1)
        assert followed.tail.reset_reason is ResyncReason.ROLLED_BACK
        assert followed.tail.position.epoch != kept.position.epoch
        assert followed.tail.position.n > lost.position.n


async def test_a_log_that_diverged_before_the_known_position_starts_a_new_epoch(
    connections: Connections,
) -> None:
    """As after an asynchronous failover: the same numbers are given out again, in the
    same epoch. Nobody looked meanwhile."""
    async with following(connections, replace(PATIENT, check_s=60.0)) as followed:
        [kept] = await followed.tell(event())
        behind = await _dump(connections)
        lost = (await followed.tell(event(room_sid=sid(2)), event(room_sid=sid(2))))[-1]
        await _restore(connections, behind)
        # Another process logs, until it is past what this one has heard.
        others = EventLog(connections, ACCOUNT)
        again = [
            (await others.append(event(room_sid=sid(3)), f"other {number}")).position
            for number in range(3)
        ]
        assert [position.n for position in again[:2]] == [kept.position.n + 1, lost.position.n]
        assert again[0].epoch == lost.position.epoch
        await until(lambda: followed.tail.generation == 1)
        assert followed.tail.reset_reason is ResyncReason.DIVERGED
        assert followed.tail.position.epoch != kept.position.epoch


async def test_an_acknowledged_append_that_is_lost_before_it_is_read_is_announced(
    connections: Connections,
) -> None:
    async with following(connections, replace(PATIENT, check_s=0.0)) as followed:
        [kept] = await followed.tell(event())
        # The answer of the server that died next; the one that took over never heard of
        # it.
        followed.events.appended = LogPosition(
            kept.position.epoch, kept.position.n + 1, b"the lost"
        )
        await until(lambda: followed.tail.generation == 1)
        assert followed.tail.reset_reason is ResyncReason.ROLLED_BACK
        assert followed.tail.position.epoch != kept.position.epoch


async def test_a_read_in_which_the_epoch_changes_is_a_reset(
    connections: Connections,
) -> None:
    async with following(connections) as followed:
        await tell_many(followed, 1)
        before = followed.tail.position
        pipeline = connections.commands.pipeline(transaction=True)
        pipeline.xadd(KEYS.log, await _copy_of_last(connections), id=f"{before.n + 1}-0")
        other = {**await _copy_of_last(connections), b"e": b"0" * 16}
        pipeline.xadd(KEYS.log, other, id=f"{before.n + 5}-0")
        await pipeline.execute()
        await until(lambda: followed.tail.generation == 1)
        assert numbers(followed) == []
        assert followed.tail.reset_reason is ResyncReason.EPOCH


async def test_a_gap_in_the_log_is_announced(connections: Connections) -> None:
    """Somebody deleted an entry before it was heard."""
    async with following(connections) as followed:
        await tell_many(followed, 1)
        position = followed.tail.position
        pipeline = connections.commands.pipeline(transaction=True)
        pipeline.xadd(KEYS.log, await _copy_of_last(connections), id=f"{position.n + 2}-0")
        pipeline.hset(KEYS.meta, "n", position.n + 2)
        await pipeline.execute()
        await until(lambda: followed.tail.generation == 1)
        assert followed.tail.reset_reason is ResyncReason.TRIMMED
        assert followed.tail.position == LogPosition(position.epoch, position.n + 2, position.tag)
        told = await tell_many(followed, 2)
        assert [
            entry.position.n for entry in followed.tail.ring.readable_after(position.n + 2)
        ] == told


@pytest.mark.parametrize(
    ("event", "room_sid"), [("{", None), (f'{{"room_sid": "{sid(1)}", "type": "x"}}', sid(1))]
)
async def test_an_unreadable_entry_keeps_its_position_and_invalidates_memory(
    connections: Connections, event: str, room_sid: RoomSid | None
) -> None:
    async with following(connections) as followed:
        await tell_many(followed, 1)
        position = followed.tail.position
        responses = ResponseMemory(followed.memory)
        responses.put(QUERY, room_entry(position.n))
        assert responses.get(QUERY) is not None
        with followed.tail.notifier(sid(1)) as notifier, followed.tail.notifier(sid(2)) as other:
            await tell_unreadable(connections, position, event)
            await until(lambda: followed.tail.position.n == position.n + 1)
            assert await notifier.wait(0)
            assert await other.wait(0) == (room_sid is None)
        [last] = followed.tail.ring.after(position.n)
        assert isinstance(last.entry, Unreadable)
        assert (last.entry.room_sid, followed.tail.generation) == (room_sid, 0)
        responses.put(QUERY, room_entry(position.n))
        assert responses.get(QUERY) is None
    async with following(connections) as later:
        assert (later.tail.position, numbers(later)) == (last.entry.position, [1, 2])


async def test_a_full_read_does_not_confirm_that_memory_is_current(
    connections: Connections,
) -> None:
    """More may lie behind it, an end among them."""
    proved_at: list[int] = []

    class Watched(RoomMemory):
        def confirm_caught_up(self) -> None:
            super().confirm_caught_up()
            proved_at.append(tail.position.n)

    events, memory = EventLog(connections, ACCOUNT), Watched()
    async with following(connections) as followed:
        tail = Tail(events, memory, followed.cursor_codec, replace(PATIENT, read_count=2))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(tail.run())
            await soon(tail.ready())
            pipeline = connections.commands.pipeline(transaction=True)
            beginning = tail.position.n
            told = await followed.tell(event())
            entry = await _copy_of_last(connections)
            for n in range(told[0].position.n + 1, told[0].position.n + 6):
                pipeline.xadd(KEYS.log, entry, id=f"{n}-0")
            pipeline.hset(KEYS.meta, "n", told[0].position.n + 5)
            await pipeline.execute()
            await until(lambda: tail.position.n == beginning + 6 and proved_at[-1] == beginning + 6)
            running.cancel()
    # Five at once come as two, two and one.
    assert set(proved_at) <= {beginning, beginning + 1, beginning + 6}


async def test_the_tail_recovers_when_redis_answers_again() -> None:
    async with EmbeddedServer() as server:
        connections, operator = Connections(server.url), Connections(server.url)
        try:
            async with following(connections, LogTimings(lost_s=0.2)) as followed:
                await tell_many(followed, 1)
                # Redis answers nothing for longer than any command waits.
                await operator.commands.execute_command("CLIENT", "PAUSE", "1500", "ALL")
                await until(lambda: not followed.memory.is_current)
                await until(lambda: not followed.tail.is_healthy and followed.tail.is_redis_away)
                await until(lambda: followed.memory.is_current)
                assert followed.tail.is_healthy
                assert not followed.tail.is_redis_away
                await tell_many(followed, 1)
                assert numbers(followed) == [1, 2]
                assert followed.tail.generation == 0
        finally:
            await operator.aclose()
            await connections.aclose()


async def test_the_tail_retries_while_redis_refuses_connections() -> None:
    connections = Connections("redis://127.0.0.1:1")
    tail = Tail(EventLog(connections, ACCOUNT), RoomMemory(), CursorCodec((SECRET,), ACCOUNT))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(tail.run())
        await until(lambda: tail.is_redis_away)
        assert not tail.is_healthy
        with pytest.raises(UpstreamUnavailable):
            _ = tail.position
        assert not running.done()
        running.cancel()
    await connections.aclose()


async def test_the_tail_can_be_cancelled_at_any_moment(connections: Connections) -> None:
    """Also right when it turns to Redis again, where Python 3.11 may lose a
    cancellation."""
    for _ in range(4):
        async with following(connections) as followed:
            with followed.tail.notifier(None) as notifier:
                notifier.clear()
                await followed.events.append(event(), f"{followed.tail.position}")
                assert await notifier.wait(5)
            followed.task.cancel()
            await soon(asyncio.wait([followed.task]))


async def test_as_of_is_the_newest_position_that_rest_must_show(connections: Connections) -> None:
    async with following(connections) as followed:
        beginning = followed.tail.position
        await tell_many(followed, 2)
        assert followed.tail.as_of() == beginning
    async with following(connections, replace(PATIENT, rest_lag_s=0.0)) as followed:
        assert followed.tail.as_of() == followed.tail.position


async def test_old_entries_are_trimmed_from_time_to_time(connections: Connections) -> None:
    async with following(connections, replace(PATIENT, check_s=0.0)) as followed:
        [told] = await followed.tell(event())
        old = {**await _copy_of_last(connections), b"t": b"1"}
        pipeline = connections.commands.pipeline(transaction=True)
        for number in range(1, 301):
            pipeline.xadd(KEYS.log, old, id=f"{told.position.n + number}-0")
        pipeline.hset(KEYS.meta, "n", told.position.n + 300)
        await pipeline.execute()
        await connections.commands.xdel(KEYS.log, f"{told.position.n}-0")
        followed.tail._trimmed_at = float("-inf")

        async def shrunk() -> None:
            while await connections.commands.xlen(KEYS.log) >= 300:
                pass

        await soon(shrunk())


async def _copy_of_last(connections: Connections) -> dict[bytes, bytes]:
    """As an older release would have logged it: without the tag of the entry before
    it."""
    [(_, fields)] = await connections.commands.xrevrange(KEYS.log, count=1)
    return {name: value for name, value in fields.items() if name != b"p"}


async def _dump(connections: Connections) -> dict[bytes, bytes]:
    redis = connections.commands
    return {key: await redis.dump(key) for key in (KEYS.log.encode(), KEYS.meta.encode())}


async def _restore(connections: Connections, dump: dict[bytes, bytes]) -> None:
    pipeline = connections.commands.pipeline(transaction=True)
    for key, value in dump.items():
        pipeline.restore(key, 0, value, replace=True)
    await pipeline.execute()
