"""The texts of persisted queries in Redis."""

from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.persisted_queries import (
    _REMEMBER,
    LIFETIME_MS,
    PERSISTED_QUERIES,
    PersistedQueryTexts,
)
from tests.store.samples import ACCOUNT

KEYS = Keys(ACCOUNT)


async def test_a_text_is_found_by_its_digest_in_its_account(connections: Connections) -> None:
    texts = PersistedQueryTexts(connections)
    await texts.put(ACCOUNT, "d1", "{ a # ü }".encode())
    assert await PersistedQueryTexts(connections).get(ACCOUNT, "d1") == "{ a # ü }".encode()
    assert await texts.get(ACCOUNT, "d2") is None
    assert await texts.get(AccountSid("AC" + "9" * 32), "d1") is None


async def test_the_least_recently_used_texts_are_dropped(connections: Connections) -> None:
    texts, redis = PersistedQueryTexts(connections), connections.commands
    for name in ("old", "used", "new"):
        await texts.put(ACCOUNT, name, b"{ a }")
    await redis.zadd(KEYS.persisted_queries_used, {"old": 1, "used": 0, "new": 2})
    assert await texts.get(ACCOUNT, "used") == b"{ a }"
    keys = [KEYS.persisted_queries, KEYS.persisted_queries_used]
    await connections.run(_REMEMBER, keys, ["newest", b"{ b }", 2, LIFETIME_MS])
    assert set(await redis.hkeys(KEYS.persisted_queries)) == {b"used", b"newest"}
    assert set(await redis.zrange(KEYS.persisted_queries_used, 0, -1)) == {b"used", b"newest"}


async def test_the_number_of_texts_is_bounded(connections: Connections) -> None:
    texts, redis = PersistedQueryTexts(connections), connections.commands
    many = {f"d{n}": n for n in range(PERSISTED_QUERIES + 5)}
    await redis.zadd(KEYS.persisted_queries_used, many)
    await redis.hset(KEYS.persisted_queries, mapping=dict.fromkeys(many, b"{ a }"))
    await texts.put(ACCOUNT, "new", b"{ a }")
    assert await redis.hlen(KEYS.persisted_queries) == PERSISTED_QUERIES
    assert await redis.zcard(KEYS.persisted_queries_used) == PERSISTED_QUERIES
    assert await texts.get(ACCOUNT, "new") == b"{ a }"


async def test_unused_texts_expire(connections: Connections) -> None:
    texts, redis = PersistedQueryTexts(connections), connections.commands
    await texts.put(ACCOUNT, "d1", b"{ a }")
    keys = (KEYS.persisted_queries, KEYS.persisted_queries_used)
    for key in keys:
        assert 0 < await redis.pttl(key) <= LIFETIME_MS
        await redis.pexpire(key, 10_000)
    await texts.get(ACCOUNT, "d1")
    for key in keys:
        assert await redis.pttl(key) > 10_000


async def test_keys_of_another_type_are_replaced(connections: Connections) -> None:
    texts, redis = PersistedQueryTexts(connections), connections.commands
    await redis.set(KEYS.persisted_queries, "x")
    await redis.set(KEYS.persisted_queries_used, "x")
    assert await texts.get(ACCOUNT, "d1") is None
    await texts.put(ACCOUNT, "d1", b"{ a }")
    assert await texts.get(ACCOUNT, "d1") == b"{ a }"
