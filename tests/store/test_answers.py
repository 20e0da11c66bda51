from collections.abc import AsyncIterator

import msgspec
import pytest

from gateway.core.caching import Fence
from gateway.core.cursors import LogPosition
from gateway.core.errors import UpstreamUnavailable
from gateway.core.rooms import AccountSid
from gateway.store.answers import CacheEntry, CacheKey, ResponseCache, encode_entry
from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog
from gateway.store.keys import Keys
from tests.store.samples import ACCOUNT, ROOM, ended, joined, sid

AS_OF = LogPosition("0123456789abcdef", 7, b"\x00\xff\x01\x02\x03\x04\x05\x06")
DECODER = msgspec.json.Decoder(CacheEntry[str | None])
SLOT: CacheKey[str | None] = CacheKey(ROOM, "one", Fence.PEOPLE, DECODER)
KEY = Keys(ACCOUNT).answer(ROOM, "one")


@pytest.fixture
def answers(connections: Connections) -> ResponseCache:
    return ResponseCache(connections, ACCOUNT)


@pytest.fixture
def log(connections: Connections) -> EventLog:
    return EventLog(connections, ACCOUNT)


def fetched(seen_n: int, value: str | None = "an answer") -> CacheEntry[str | None]:
    return CacheEntry(value, 1_800_000_000.25, seen_n, AS_OF, True)


async def put(
    answers: ResponseCache,
    kept: CacheEntry[str | None],
    slot: CacheKey[str | None] = SLOT,
    lifetime_s: float = 9,
) -> None:
    await answers.put(slot, encode_entry(kept), kept.seen_n, lifetime_s)


async def kept_value(answers: ResponseCache, slot: CacheKey[str | None] = SLOT) -> str | None:
    [found] = await answers.get([slot])
    return found.kept.value if found.kept else None


async def test_nothing_is_kept_at_first_but_where_the_log_is_known(
    answers: ResponseCache, log: EventLog
) -> None:
    head = (await log.open()).position
    [found] = await answers.get([SLOT])
    assert (found.kept, found.is_outdated, found.head_n) == (None, False, head.n)


@pytest.mark.parametrize("value", ["an answer", None])
async def test_an_answer_comes_back_as_it_was_put(
    answers: ResponseCache, value: str | None
) -> None:
    await put(answers, fetched(5, value))
    [found] = await answers.get([SLOT])
    assert found.kept == fetched(5, value)
    assert not found.is_outdated
    assert found.size >= len(encode_entry(fetched(5, value)))


async def test_an_answer_is_kept_as_long_as_it_is_told(
    answers: ResponseCache, connections: Connections
) -> None:
    await put(answers, fetched(5), lifetime_s=60)
    assert 55_000 < await connections.commands.pttl(KEY) <= 60_000


async def test_an_event_makes_old_what_depends_on_it_and_nothing_else(
    answers: ResponseCache, log: EventLog
) -> None:
    head_n = (await log.open()).position.n
    media = CacheKey(ROOM, "two", Fence.MEDIA, DECODER)
    elsewhere = CacheKey(sid(2), "one", Fence.PEOPLE, DECODER)
    slots = [SLOT, media, elsewhere]
    for slot in slots:
        await put(answers, fetched(head_n), slot)
    told = await log.append(joined(), "joined")
    found = await answers.get(slots)
    assert [each.is_outdated for each in found] == [True, False, False]
    assert {each.head_n for each in found} == {told.position.n}
    await log.append(ended(), "ended")
    assert [each.is_outdated for each in await answers.get(slots)] == [True, True, False]


async def test_a_fetch_that_began_before_an_event_is_refused(
    answers: ResponseCache, log: EventLog
) -> None:
    head_n = (await log.open()).position.n
    told = await log.append(joined(), "joined")
    await put(answers, fetched(head_n, "before"))
    assert await kept_value(answers) is None
    await put(answers, fetched(told.position.n, "after"))
    assert await kept_value(answers) == "after"


async def test_of_two_fetches_the_later_one_is_kept(answers: ResponseCache) -> None:
    for seen_n in (5, 7, 6):
        await put(answers, fetched(seen_n, f"seen at {seen_n}"))
    assert await kept_value(answers) == "seen at 7"


async def test_what_is_below_an_ended_room_is_kept(answers: ResponseCache, log: EventLog) -> None:
    told = await log.append(ended(), "ended")
    await put(answers, fetched(told.position.n))
    assert await kept_value(answers) == "an answer"


@pytest.mark.parametrize(
    "rubbish", [b"", b"5", b"5 1 ", b"5 1 {}", b"x 1 null", b'5 1 {"value": 7}', b"\xff\xfe"]
)
async def test_what_cannot_be_read_counts_as_not_there_and_is_replaced(
    answers: ResponseCache, connections: Connections, rubbish: bytes
) -> None:
    await connections.commands.set(KEY, rubbish)
    assert await kept_value(answers) is None
    await put(answers, fetched(5))
    assert await kept_value(answers) == "an answer"


async def test_a_key_of_another_kind_is_no_answer_and_no_failure(
    answers: ResponseCache, connections: Connections
) -> None:
    for key in (KEY, Keys(ACCOUNT).versions(ROOM), Keys(ACCOUNT).meta):
        await connections.commands.rpush(key, "rubbish")
    [found] = await answers.get([SLOT])
    assert (found.kept, found.is_outdated, found.head_n) == (None, False, 0)


async def test_i12_accounts_see_nothing_of_each_other(
    answers: ResponseCache, connections: Connections
) -> None:
    await put(answers, fetched(5))
    assert await kept_value(ResponseCache(connections, AccountSid("AC" + "1" * 32))) is None


@pytest.fixture
async def no_redis() -> AsyncIterator[Connections]:
    connections = Connections("redis://127.0.0.1:1")
    yield connections
    await connections.aclose()


async def test_without_redis_nothing_is_known(no_redis: Connections) -> None:
    with pytest.raises(UpstreamUnavailable):
        await ResponseCache(no_redis, ACCOUNT).get([SLOT])
    with pytest.raises(UpstreamUnavailable):
        await put(ResponseCache(no_redis, ACCOUNT), fetched(5))
