"""Persisted queries that clients register."""

import hashlib

from gateway.service.persisted_queries import PersistedQueries
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.persisted_queries import PERSISTED_QUERY_BYTES, PersistedQueryTexts
from tests.store.samples import ACCOUNT

TEXT = "{ __typename } # ü"


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def replica(connections: Connections) -> PersistedQueries:
    return PersistedQueries(PersistedQueryTexts(connections))


async def test_every_replica_knows_a_registered_document(connections: Connections) -> None:
    first, second = replica(connections), replica(connections)
    assert await first.text(ACCOUNT, digest_of(TEXT)) is None
    await first.register(ACCOUNT, digest_of(TEXT), TEXT)
    assert await second.text(ACCOUNT, digest_of(TEXT)) == TEXT


async def test_a_large_document_is_not_kept(connections: Connections) -> None:
    queries = replica(connections)
    for size, kept in ((PERSISTED_QUERY_BYTES, True), (PERSISTED_QUERY_BYTES + 1, False)):
        text = "#".ljust(size, "x")
        await queries.register(ACCOUNT, digest_of(text), text)
        assert (await queries.text(ACCOUNT, digest_of(text)) is not None) is kept


async def test_a_text_in_redis_that_is_not_that_of_the_digest_is_unknown(
    connections: Connections,
) -> None:
    queries, keys = replica(connections), Keys(ACCOUNT)
    await queries.register(ACCOUNT, digest_of("{ a }"), "{ a }")
    for value in (b"{ other }", b"\xff"):
        await connections.commands.hset(keys.persisted_queries, digest_of(TEXT), value)
        assert await queries.text(ACCOUNT, digest_of(TEXT)) is None


async def test_without_redis_a_process_knows_what_it_has_used() -> None:
    lost = Connections("redis://127.0.0.1:1")
    queries = replica(lost)
    await queries.register(ACCOUNT, digest_of(TEXT), TEXT)
    assert await queries.text(ACCOUNT, digest_of(TEXT)) is None, "it is not registered"
    await lost.aclose()


async def test_a_known_text_needs_no_redis(connections: Connections) -> None:
    queries = replica(connections)
    await queries.register(ACCOUNT, digest_of(TEXT), TEXT)
    await connections.commands.flushall()
    assert await queries.text(ACCOUNT, digest_of(TEXT)) == TEXT
