import asyncio

import pytest

from gateway.core.caching import ENDED_ROOM, LIVE_ROOM
from gateway.core.cursors import LogPosition
from gateway.core.limits.quota import Concurrency
from gateway.core.limits.rate_limit import Rate
from gateway.core.rooms import Ended, RoomStatus
from gateway.store.cache import MISSING, CachedRoom, RoomCache
from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog
from gateway.store.keys import Keys
from gateway.store.limiter import Limiter
from tests.store.samples import ACCOUNT, END, ROOM, changed, created, ended, joined, room, sid

KEYS = Keys(ACCOUNT)
AS_OF = LogPosition("0123456789abcdef", 7, b"\x00\xff\x01\x02\x03\x04\x05\x06")


@pytest.fixture
def cache(connections: Connections) -> RoomCache:
    return RoomCache(connections, ACCOUNT)


@pytest.fixture
def log(connections: Connections) -> EventLog:
    return EventLog(connections, ACCOUNT)


def fetched(seen_n: int, status: RoomStatus = RoomStatus.IN_PROGRESS) -> CachedRoom:
    return CachedRoom(room(status), 1_800_000_000.25, seen_n, AS_OF, True)


async def test_nothing_is_known_of_a_room_at_first_but_where_the_log_is(
    cache: RoomCache, log: EventLog
) -> None:
    head = (await log.open()).position

    cached = await cache.get(ROOM)

    assert (cached.value, cached.is_missing, cached.version_n, cached.ended) == (
        None,
        False,
        0,
        None,
    )
    assert (cached.head_n, cached.epoch) == (head.n, head.epoch)


async def test_a_room_comes_back_as_it_was_put(cache: RoomCache) -> None:
    put = await cache.put(ROOM, fetched(5))

    assert (put.is_kept, put.ended, put.version_n) == (True, None, 0)
    assert (await cache.get(ROOM)).value == fetched(5)


@pytest.mark.parametrize(
    ("status", "error_s"),
    [(RoomStatus.IN_PROGRESS, LIVE_ROOM.error_s), (RoomStatus.COMPLETED, ENDED_ROOM.error_s)],
)
async def test_a_room_is_kept_as_long_as_it_may_serve_for_errors(
    cache: RoomCache, connections: Connections, status: RoomStatus, error_s: float
) -> None:
    await cache.put(ROOM, fetched(5, status))

    assert (
        error_s * 1000 - 5_000 < await connections.commands.pttl(KEYS.room(ROOM)) <= error_s * 1000
    )


async def test_an_event_makes_a_kept_room_outdated_and_keeps_it_for_errors(
    cache: RoomCache, log: EventLog
) -> None:
    seen_n = (await log.open()).position.n
    await cache.put(ROOM, fetched(seen_n))
    assert not (await cache.get(ROOM)).is_outdated

    created_at = (await log.append(created(), "created")).position.n

    cached = await cache.get(ROOM)
    assert cached.is_outdated
    assert cached.value == fetched(seen_n)
    assert cached.version_n == created_at


async def test_who_joins_does_not_make_the_room_itself_outdated(
    cache: RoomCache, log: EventLog
) -> None:
    await cache.put(ROOM, fetched((await log.open()).position.n))

    await log.append(joined(), "joined")

    assert not (await cache.get(ROOM)).is_outdated


async def test_a_fetch_that_began_before_the_rooms_end_cannot_put_it_back(
    cache: RoomCache, log: EventLog
) -> None:
    await log.append(created(), "created")
    before_the_end = (await cache.get(ROOM)).head_n
    end = (await log.append(ended(), "ended")).position

    put = await cache.put(ROOM, fetched(before_the_end))

    assert not put.is_kept
    assert put.ended == Ended(RoomStatus.COMPLETED, END, 1800)
    assert put.version_n == end.n
    assert (await cache.get(ROOM)).value is None


async def test_a_put_that_races_the_rooms_end_never_leaves_it_current(
    cache: RoomCache, log: EventLog
) -> None:
    for number in range(40):
        race = sid(number)
        seen_n = (await cache.get(race)).head_n
        live = CachedRoom(room(room_sid=race), 1_800_000_000, seen_n, None, True)

        await asyncio.gather(
            cache.put(race, live), log.append(ended(race), f"ended {number}"), cache.put(race, live)
        )

        cached = await cache.get(race)
        assert cached.value is None or cached.is_outdated
        assert cached.ended is not None


async def test_a_name_that_races_the_rooms_end_never_points_at_it(
    cache: RoomCache, log: EventLog
) -> None:
    for number in range(40):
        await asyncio.gather(
            cache.put_name("standup", sid(number)),
            log.append(ended(sid(number)), f"ended {number}"),
        )

        assert await cache.resolve("standup") is None


async def test_a_404_that_races_the_rooms_first_event_is_forgotten(
    cache: RoomCache, log: EventLog
) -> None:
    for number in range(40):
        await asyncio.gather(
            cache.put_missing(sid(number)), log.append(joined(0, sid(number)), f"joined {number}")
        )

        assert not (await cache.get(sid(number))).is_missing


async def test_a_fetch_that_began_after_the_end_and_still_shows_a_live_room_is_not_kept(
    cache: RoomCache, log: EventLog
) -> None:
    await log.append(ended(), "ended")
    after_the_end = (await cache.get(ROOM)).head_n

    assert not (await cache.put(ROOM, fetched(after_the_end))).is_kept
    assert (await cache.put(ROOM, fetched(after_the_end, RoomStatus.COMPLETED))).is_kept


async def test_the_end_alone_stops_a_live_room_when_the_fence_was_lost(
    cache: RoomCache, log: EventLog, connections: Connections
) -> None:
    seen_n = (await log.open()).position.n
    await log.append(ended(), "ended")
    await connections.commands.delete(KEYS.versions(ROOM))

    assert not (await cache.put(ROOM, fetched(seen_n))).is_kept


async def test_of_two_fetches_the_one_that_began_later_stays(cache: RoomCache) -> None:
    await cache.put(ROOM, fetched(9))

    assert not (await cache.put(ROOM, fetched(8))).is_kept
    assert (await cache.get(ROOM)).value == fetched(9)
    assert (await cache.put(ROOM, fetched(9))).is_kept


async def test_a_room_without_callbacks_that_is_over_stays_over(cache: RoomCache) -> None:
    await cache.put(ROOM, fetched(9, RoomStatus.COMPLETED))

    assert not (await cache.put(ROOM, fetched(9))).is_kept


async def test_a_room_that_twilio_does_not_know_is_remembered_for_a_second(
    cache: RoomCache, connections: Connections
) -> None:
    assert await cache.put_missing(ROOM)

    cached = await cache.get(ROOM)
    assert (cached.value, cached.is_missing) == (None, True)
    assert 0 < await connections.commands.pttl(KEYS.room(ROOM)) <= 1000
    assert (await cache.put(ROOM, fetched(0))).is_kept


async def test_a_room_that_an_event_told_of_is_never_missing(
    cache: RoomCache, log: EventLog, connections: Connections
) -> None:
    await log.append(created(), "created")
    assert not await cache.put_missing(ROOM)

    await connections.commands.delete(KEYS.versions(ROOM))
    assert not await cache.put_missing(ROOM)
    assert not (await cache.get(ROOM)).is_missing


async def test_a_room_that_is_kept_is_not_missing(cache: RoomCache) -> None:
    await cache.put(ROOM, fetched(1))

    assert not await cache.put_missing(ROOM)


async def test_a_name_is_unknown_then_pointed_or_missing(
    cache: RoomCache, connections: Connections
) -> None:
    assert await cache.resolve("standup") is None

    assert await cache.put_name("standup", None)
    assert await cache.resolve("standup") is MISSING
    assert 0 < await connections.commands.pttl(KEYS.name("standup")) <= 500

    assert await cache.put_name("standup", ROOM)
    assert await cache.resolve("standup") == ROOM
    assert 0 < await connections.commands.pttl(KEYS.name("standup")) <= 2000


async def test_a_pointer_that_an_event_set_is_not_replaced_by_a_fetch(
    cache: RoomCache, log: EventLog
) -> None:
    await log.append(created(sid(2)), "created")

    assert not await cache.put_name("standup", ROOM)
    assert not await cache.put_name("standup", None)
    assert await cache.resolve("standup") == sid(2)


async def test_a_name_never_points_at_a_room_whose_end_is_known(
    cache: RoomCache, log: EventLog
) -> None:
    await log.append(ended(), "ended")

    assert not await cache.put_name("standup", ROOM)
    assert await cache.resolve("standup") is None


async def test_ends_are_found_in_one_go(cache: RoomCache, log: EventLog) -> None:
    await log.append(ended(sid(2)), "ended")

    assert await cache.ends([]) == {}
    assert await cache.ends([sid(1), sid(2), sid(3)]) == {
        sid(2): Ended(RoomStatus.COMPLETED, END, 1800)
    }


@pytest.mark.parametrize("junk", ["", "junk", "x 0 {}", "5 0 {}", "99999999999999999999 1 null"])
async def test_a_value_that_somebody_broke_is_not_there_and_is_replaced(
    cache: RoomCache, connections: Connections, junk: str
) -> None:
    await connections.commands.set(KEYS.room(ROOM), junk)

    assert (await cache.get(ROOM)).value is None
    assert (await cache.put(ROOM, fetched(5))).is_kept
    assert (await cache.get(ROOM)).value == fetched(5)


async def test_keys_of_the_wrong_kind_read_as_not_there(
    cache: RoomCache, connections: Connections
) -> None:
    for key in (
        KEYS.room(ROOM),
        KEYS.versions(ROOM),
        KEYS.end(ROOM),
        KEYS.meta,
        KEYS.name("standup"),
    ):
        await connections.commands.lpush(key, "junk")

    cached = await cache.get(ROOM)

    assert (cached.value, cached.version_n, cached.ended, cached.head_n, cached.epoch) == (
        None,
        0,
        None,
        0,
        "",
    )
    assert await cache.ends([ROOM]) == {}
    assert await cache.resolve("standup") is None
    assert (await cache.put(ROOM, fetched(5))).is_kept


async def test_an_end_that_somebody_broke_is_still_an_end(
    cache: RoomCache, connections: Connections
) -> None:
    await connections.commands.hset(
        KEYS.end(ROOM), mapping={"status": "completed", "end_time": "junk"}
    )

    assert await cache.ends([ROOM]) == {ROOM: Ended(RoomStatus.COMPLETED, None)}


async def test_every_key_but_the_log_and_its_meta_expires(
    cache: RoomCache, log: EventLog, connections: Connections
) -> None:
    for number in range(3):
        await log.append(created(sid(number)), f"created {number}")
        await log.append(joined(number, sid(number)), f"joined {number}")
        await log.append(changed(room_sid=sid(number)), f"changed {number}", room=fetched(0))
    await log.append(ended(), "ended")
    await cache.put(sid(7), fetched(1))
    await cache.put_missing(sid(8))
    await cache.put_name("other", sid(7))
    await cache.put_name("none", None)
    limiter = Limiter(connections, ACCOUNT, Concurrency(100, 4))
    await limiter.take("read", Rate(80, 8), ["permit"])
    await limiter.back_off("write", 1000)

    lasting = {
        key
        async for key in connections.commands.scan_iter()
        if await connections.commands.pttl(key) < 0
    }

    assert lasting == {KEYS.log.encode(), KEYS.meta.encode()}
