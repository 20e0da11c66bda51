import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from gateway.core.caching import ENDED_ROOM_LIFETIME, LIVE_ROOM_LIFETIME, Fence
from gateway.core.errors import UpstreamUnavailable
from gateway.core.limits.quota import Concurrency
from gateway.core.limits.rate_limit import Rate
from gateway.core.rooms import AccountSid, Ended, Room, RoomStatus
from gateway.store.cache import (
    CacheEntry,
    CacheKey,
    NamePointer,
    PutResult,
    ResponseCache,
    RoomIndex,
    encode_entry,
)
from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog
from gateway.store.keys import Keys
from gateway.store.limiter import Limiter
from tests.store.samples import (
    ACCOUNT,
    END,
    ROOM,
    changed,
    created,
    ended,
    fetched,
    joined,
    look_up,
    room,
    room_key,
    sid,
)

KEYS = Keys(ACCOUNT)
DECODER = msgspec.json.Decoder(CacheEntry[str | None] | None)
LIFETIME_S = 9.0


@dataclass
class Kind:
    """A kind of value. `versions` are two different values of it, `touch` is an event
    that makes it outdated."""

    key: CacheKey[Any]
    versions: tuple[Any, Any]
    touch: Any

    @property
    def redis_key(self) -> str:
        return KEYS.cached(self.key.name)


def people_key(about: str = ROOM, digest: str = "one") -> CacheKey[str | None]:
    return CacheKey(f"answer:{about}:{digest}", about, Fence.PARTICIPANTS, DECODER)


KINDS = {
    "room": Kind(room_key(), (room(), replace(room(), max_participants=7)), created()),
    "participants": Kind(people_key(), ("some participants", "more participants"), joined()),
    "nothing": Kind(people_key(), (None, "a participant"), joined()),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def cache(connections: Connections) -> ResponseCache:
    return ResponseCache(connections, ACCOUNT)


@pytest.fixture
def index(connections: Connections) -> RoomIndex:
    return RoomIndex(connections, ACCOUNT)


@pytest.fixture
def log(connections: Connections) -> EventLog:
    return EventLog(connections, ACCOUNT)


@pytest.fixture
async def no_redis() -> AsyncIterator[Connections]:
    connections = Connections("redis://127.0.0.1:1")
    yield connections
    await connections.aclose()


async def put(
    cache: ResponseCache,
    kind: Kind,
    seen_n: int,
    version: int = 0,
    lifetime_s: float = LIFETIME_S,
) -> PutResult:
    return await cache.put(kind.key, fetched(kind.versions[version], seen_n), lifetime_s)


async def put_room(
    cache: ResponseCache, seen_n: int, status: RoomStatus = RoomStatus.IN_PROGRESS
) -> PutResult:
    entry: CacheEntry[Room | None] = fetched(room(status), seen_n)
    return await cache.put(room_key(), entry, LIFETIME_S)


# Every kind of value.


async def test_an_empty_cache_knows_only_the_head_of_the_log(
    cache: ResponseCache, log: EventLog, kind: Kind
) -> None:
    head = (await log.open()).position

    found = await look_up(cache, kind.key)

    assert (found.entry, found.is_missing, found.version_n, found.ended) == (None, False, 0, None)
    assert not found.is_outdated
    assert found.head_n == head.n


async def test_a_value_comes_back_as_it_was_put(cache: ResponseCache, kind: Kind) -> None:
    entry = fetched(kind.versions[0], 5)

    assert await cache.put(kind.key, entry, LIFETIME_S) == PutResult(True, None)

    found = await look_up(cache, kind.key)
    assert found.entry == entry
    assert not found.is_outdated
    assert found.size >= len(encode_entry(entry))


async def test_redis_keeps_a_value_for_the_given_lifetime(
    cache: ResponseCache, connections: Connections, kind: Kind
) -> None:
    await put(cache, kind, 5, lifetime_s=60)

    assert 55_000 < await connections.commands.pttl(kind.redis_key) <= 60_000


async def test_an_event_makes_a_value_outdated_and_leaves_it_in_the_cache(
    cache: ResponseCache, log: EventLog, kind: Kind
) -> None:
    seen_n = (await log.open()).position.n
    await put(cache, kind, seen_n)
    assert not (await look_up(cache, kind.key)).is_outdated

    touched_at = (await log.append(kind.touch, "touched")).position.n

    found = await look_up(cache, kind.key)
    assert found.is_outdated
    assert found.entry == fetched(kind.versions[0], seen_n)
    assert (found.version_n, found.head_n) == (touched_at, touched_at)


async def test_an_event_makes_only_values_of_its_fence_and_room_outdated(
    cache: ResponseCache, log: EventLog
) -> None:
    head_n = (await log.open()).position.n
    media = CacheKey(f"answer:{ROOM}:two", ROOM, Fence.MEDIA, DECODER)
    keys: list[CacheKey[Any]] = [people_key(), media, people_key(sid(2)), room_key()]
    for key in keys:
        value = room() if key.fence is Fence.ROOM else "a value"
        await cache.put(key, fetched(value, head_n), LIFETIME_S)

    appended = await log.append(joined(), "joined")

    found = await cache.get(keys)
    assert [lookup.is_outdated for lookup in found] == [True, False, False, False]
    assert {lookup.head_n for lookup in found} == {appended.position.n}
    await log.append(ended(), "ended")
    assert [lookup.is_outdated for lookup in await cache.get(keys)] == [True, True, False, True]


async def test_a_fetch_that_began_before_an_event_is_refused(
    cache: ResponseCache, log: EventLog, kind: Kind
) -> None:
    head_n = (await log.open()).position.n
    appended = await log.append(kind.touch, "touched")

    assert not (await put(cache, kind, head_n, version=0)).is_stored
    assert (await look_up(cache, kind.key)).entry is None
    assert (await put(cache, kind, appended.position.n, version=1)).is_stored
    assert (await look_up(cache, kind.key)).entry == fetched(kind.versions[1], appended.position.n)


async def test_of_two_fetches_the_one_that_began_later_is_stored(
    cache: ResponseCache, kind: Kind
) -> None:
    assert (await put(cache, kind, 5, version=1)).is_stored
    assert (await put(cache, kind, 9, version=0)).is_stored
    assert not (await put(cache, kind, 8, version=1)).is_stored
    assert (await look_up(cache, kind.key)).entry == fetched(kind.versions[0], 9)
    assert (await put(cache, kind, 9, version=1)).is_stored


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"5",
        b"5 1 ",
        b"5 1 {}",
        b"5 0 {}",
        b"junk",
        b"x 0 {}",
        b"x 1 null",
        b'5 1 {"value": 7}',
        b"99999999999999999999 1 null",
        b"\xff\xfe",
    ],
)
async def test_a_damaged_value_counts_as_absent_and_is_replaced(
    cache: ResponseCache, connections: Connections, kind: Kind, junk: bytes
) -> None:
    await connections.commands.set(kind.redis_key, junk)
    value = kind.versions[0]
    if junk.startswith(b"5 1") and kind is KINDS["room"]:
        # The 1 says that the room has ended, and that stays so.
        value = room(RoomStatus.COMPLETED)

    assert (await look_up(cache, kind.key)).entry is None
    assert (await cache.put(kind.key, fetched(value, 5), LIFETIME_S)).is_stored
    assert (await look_up(cache, kind.key)).entry == fetched(value, 5)


async def test_keys_of_the_wrong_type_count_as_absent(
    cache: ResponseCache, connections: Connections, kind: Kind
) -> None:
    for key in (kind.redis_key, KEYS.versions(ROOM), KEYS.end(ROOM), KEYS.meta):
        await connections.commands.rpush(key, "junk")

    found = await look_up(cache, kind.key)

    assert (found.entry, found.is_outdated, found.version_n, found.ended, found.head_n) == (
        None,
        False,
        0,
        None,
        0,
    )
    assert (await put(cache, kind, 5)).is_stored


async def test_i12_accounts_see_nothing_of_each_other(
    cache: ResponseCache, connections: Connections, kind: Kind
) -> None:
    await put(cache, kind, 5)

    other = ResponseCache(connections, AccountSid("AC" + "1" * 32))
    assert (await look_up(other, kind.key)).entry is None


async def test_without_redis_every_call_raises(no_redis: Connections, kind: Kind) -> None:
    cache = ResponseCache(no_redis, ACCOUNT)
    with pytest.raises(UpstreamUnavailable):
        await cache.get([kind.key])
    with pytest.raises(UpstreamUnavailable):
        await put(cache, kind, 5)


async def test_a_value_about_an_ended_room_is_stored(cache: ResponseCache, log: EventLog) -> None:
    appended = await log.append(ended(), "ended")

    assert (await put(cache, KINDS["participants"], appended.position.n)).is_stored


# Rooms: they have an end.


@pytest.mark.parametrize(
    ("status", "is_final"), [(RoomStatus.IN_PROGRESS, False), (RoomStatus.COMPLETED, True)]
)
def test_only_a_room_in_progress_is_not_final(status: RoomStatus, is_final: bool) -> None:
    assert fetched(room(status), 5).is_final is is_final
    assert fetched("participants", 5).is_final
    assert fetched(None, 5).is_final


@pytest.mark.parametrize(
    ("status", "stand_in_until_s"),
    [
        (RoomStatus.IN_PROGRESS, LIVE_ROOM_LIFETIME.stand_in_until_s),
        (RoomStatus.COMPLETED, ENDED_ROOM_LIFETIME.stand_in_until_s),
    ],
)
async def test_a_mutations_answer_is_kept_as_long_as_it_may_serve_for_errors(
    log: EventLog, connections: Connections, status: RoomStatus, stand_in_until_s: float
) -> None:
    await log.append(changed(status), "changed", room=fetched(room(status), 0))

    lifetime_ms = await connections.commands.pttl(KEYS.room(ROOM))
    assert stand_in_until_s * 1000 - 5_000 < lifetime_ms <= stand_in_until_s * 1000


async def test_a_fetch_that_began_before_the_rooms_end_does_not_undo_it(
    cache: ResponseCache, log: EventLog
) -> None:
    await log.append(created(), "created")
    before_the_end = (await look_up(cache, room_key())).head_n
    end = (await log.append(ended(), "ended")).position

    assert await put_room(cache, before_the_end) == PutResult(
        False, Ended(RoomStatus.COMPLETED, END, 1800)
    )

    found = await look_up(cache, room_key())
    assert (found.entry, found.version_n) == (None, end.n)


async def test_a_put_that_races_the_rooms_end_never_leaves_it_current(
    cache: ResponseCache, log: EventLog
) -> None:
    for number in range(40):
        race = sid(number)
        seen_n = (await look_up(cache, room_key(race))).head_n
        live: CacheEntry[Room | None] = fetched(room(room_sid=race), seen_n)

        await asyncio.gather(
            cache.put(room_key(race), live, LIFETIME_S),
            log.append(ended(race), f"ended {number}"),
            cache.put(room_key(race), live, LIFETIME_S),
        )

        found = await look_up(cache, room_key(race))
        assert found.entry is None or found.is_outdated
        assert found.ended is not None


async def test_a_room_in_progress_is_refused_after_its_end_however_late_it_was_fetched(
    cache: ResponseCache, log: EventLog
) -> None:
    await log.append(ended(), "ended")
    after_the_end = (await look_up(cache, room_key())).head_n

    assert not (await put_room(cache, after_the_end)).is_stored
    assert (await put_room(cache, after_the_end, RoomStatus.COMPLETED)).is_stored


async def test_the_end_alone_refuses_a_room_in_progress_when_redis_lost_the_fence(
    cache: ResponseCache, log: EventLog, connections: Connections
) -> None:
    seen_n = (await log.open()).position.n
    await log.append(ended(), "ended")
    await connections.commands.delete(KEYS.versions(ROOM))

    assert not (await put_room(cache, seen_n)).is_stored


async def test_a_room_without_callbacks_that_has_ended_stays_ended(cache: ResponseCache) -> None:
    await put_room(cache, 9, RoomStatus.COMPLETED)

    assert not (await put_room(cache, 9)).is_stored


async def test_a_missing_room_is_remembered_for_a_second(
    cache: ResponseCache, index: RoomIndex, connections: Connections
) -> None:
    assert await index.put_missing(ROOM)

    found = await look_up(cache, room_key())
    assert (found.entry, found.is_missing) == (None, True)
    assert 0 < await connections.commands.pttl(KEYS.room(ROOM)) <= 1000
    assert (await put_room(cache, 0)).is_stored


async def test_a_room_that_an_event_reported_is_never_missing(
    cache: ResponseCache, index: RoomIndex, log: EventLog, connections: Connections
) -> None:
    await log.append(created(), "created")
    assert not await index.put_missing(ROOM)

    await connections.commands.delete(KEYS.versions(ROOM))
    assert not await index.put_missing(ROOM)
    assert not (await look_up(cache, room_key())).is_missing


async def test_a_cached_room_is_not_missing(cache: ResponseCache, index: RoomIndex) -> None:
    await put_room(cache, 1)

    assert not await index.put_missing(ROOM)


async def test_a_404_that_races_the_rooms_first_event_is_forgotten(
    cache: ResponseCache, index: RoomIndex, log: EventLog
) -> None:
    for number in range(40):
        await asyncio.gather(
            index.put_missing(sid(number)), log.append(joined(0, sid(number)), f"joined {number}")
        )

        assert not (await look_up(cache, room_key(sid(number)))).is_missing


# The index of names and ends.


async def test_a_name_is_unknown_then_points_at_a_room_or_at_none(
    index: RoomIndex, connections: Connections
) -> None:
    assert await index.resolve("standup") is None

    assert await index.put_name("standup", None)
    assert await index.resolve("standup") == NamePointer(None)
    assert 0 < await connections.commands.pttl(KEYS.name("standup")) <= 500

    assert await index.put_name("standup", ROOM)
    assert await index.resolve("standup") == NamePointer(ROOM)
    assert 0 < await connections.commands.pttl(KEYS.name("standup")) <= 2000


async def test_a_pointer_that_an_event_set_is_not_replaced_by_a_fetch(
    index: RoomIndex, log: EventLog
) -> None:
    await log.append(created(sid(2)), "created")

    assert not await index.put_name("standup", ROOM)
    assert not await index.put_name("standup", None)
    assert await index.resolve("standup") == NamePointer(sid(2))


async def test_a_name_never_points_at_a_room_whose_end_is_known(
    index: RoomIndex, log: EventLog
) -> None:
    await log.append(ended(), "ended")

    assert not await index.put_name("standup", ROOM)
    assert await index.resolve("standup") is None


async def test_a_name_that_races_the_rooms_end_never_points_at_it(
    index: RoomIndex, log: EventLog
) -> None:
    for number in range(40):
        await asyncio.gather(
            index.put_name("standup", sid(number)),
            log.append(ended(sid(number)), f"ended {number}"),
        )

        assert await index.resolve("standup") is None


async def test_all_ends_are_read_in_one_call(index: RoomIndex, log: EventLog) -> None:
    await log.append(ended(sid(2)), "ended")

    assert await index.ends([]) == {}
    assert await index.ends([sid(1), sid(2), sid(3)]) == {
        sid(2): Ended(RoomStatus.COMPLETED, END, 1800)
    }


async def test_names_and_ends_of_the_wrong_type_count_as_absent(
    index: RoomIndex, connections: Connections
) -> None:
    for key in (KEYS.end(ROOM), KEYS.name("standup")):
        await connections.commands.lpush(key, "junk")

    assert await index.ends([ROOM]) == {}
    assert await index.resolve("standup") is None


async def test_a_damaged_end_is_still_an_end(index: RoomIndex, connections: Connections) -> None:
    await connections.commands.hset(
        KEYS.end(ROOM), mapping={"status": "completed", "end_time": "junk"}
    )

    assert await index.ends([ROOM]) == {ROOM: Ended(RoomStatus.COMPLETED, None)}


async def test_every_key_but_the_log_and_its_meta_expires(
    cache: ResponseCache, index: RoomIndex, log: EventLog, connections: Connections
) -> None:
    for number in range(3):
        await log.append(created(sid(number)), f"created {number}")
        await log.append(joined(number, sid(number)), f"joined {number}")
        await log.append(
            changed(room_sid=sid(number)), f"changed {number}", room=fetched(room(), 0)
        )
    await log.append(ended(), "ended")
    for kind in KINDS.values():
        await put(cache, kind, (await look_up(cache, kind.key)).head_n)
    await index.put_missing(sid(8))
    await index.put_name("other", sid(7))
    await index.put_name("none", None)
    limiter = Limiter(connections, ACCOUNT, Concurrency(100, 4))
    await limiter.take("read", Rate(80, 8), ["permit"])
    await limiter.back_off("write", 1000)

    lasting = {
        key
        async for key in connections.commands.scan_iter()
        if await connections.commands.pttl(key) < 0
    }

    assert lasting == {KEYS.log.encode(), KEYS.meta.encode()}
