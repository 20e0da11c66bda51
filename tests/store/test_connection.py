import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import ReadOnlyError

from gateway.core.errors import FailedPrecondition, UpstreamUnavailable
from gateway.store.connection import Connections, Script
from tests.topologies import two_servers_behind_proxy

TRIM = Script("head.lua", "trim.lua")
HEARTBEAT = Script("head.lua", "heartbeat.lua")


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Yields the URL of a server that accepts connections and never replies."""
    stopped = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stopped.wait()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        stopped.set()
        server.close()
        await server.wait_closed()


async def test_script_is_loaded_again_by_a_server_that_lost_it(connections: Connections) -> None:
    await connections.run(TRIM, ["log"], [1])
    await connections.commands.script_flush()

    assert await connections.run(TRIM, ["log"], [1]) == 0


async def test_redis_that_is_down_is_upstream_unavailable() -> None:
    connections = Connections("redis://127.0.0.1:1")

    with pytest.raises(UpstreamUnavailable, match="Redis did not reply"):
        await connections.reply(connections.commands.ping())


async def test_redis_that_hangs_times_out_before_a_callback_does() -> None:
    async with silent_server() as url:
        connections = Connections(url)
        with pytest.raises(UpstreamUnavailable):
            # Twilio waits 2.5 s for the response to a callback.
            async with asyncio.timeout(2.5):
                await connections.run(TRIM, ["log"], [1])
        await connections.aclose()


async def test_callers_wait_when_all_connections_are_in_use(connections: Connections) -> None:
    calls = (connections.reply(connections.commands.incr("n"), timeout_s=10) for _ in range(300))
    replies = await asyncio.gather(*calls)

    assert sorted(replies) == list(range(1, 301))


async def test_idle_connection_that_was_closed_causes_no_error(
    redis_url: str, connections: Connections
) -> None:
    others = Connections(redis_url)
    await others.reply(others.commands.client_setname("idle"))
    for client in await connections.commands.client_list():
        if client["name"] == "idle":
            await connections.commands.client_kill_filter(_id=client["id"])

    assert await others.reply(others.commands.ping())
    await others.aclose()


async def test_refused_command_error_contains_no_key(connections: Connections) -> None:
    await connections.commands.set("secret-key", "text")

    with pytest.raises(UpstreamUnavailable, match=r"^Redis refused a command$"):
        await connections.reply(connections.commands.xrange("secret-key"))


async def test_reply_to_a_timed_out_command_reaches_no_other_caller(
    connections: Connections,
) -> None:
    with pytest.raises(UpstreamUnavailable):
        await connections.reply(connections.commands.blpop(["empty"], timeout=1), timeout_s=0.01)

    assert await connections.reply(connections.commands.echo("mine")) == b"mine"


async def test_server_that_may_evict_keys_is_refused(connections: Connections) -> None:
    await connections.check_eviction_policy()
    await connections.commands.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(FailedPrecondition, match="set it to noeviction"):
            await connections.check_eviction_policy()
    finally:
        await connections.commands.config_set("maxmemory-policy", "noeviction")


async def test_demoted_master_is_left_after_the_first_refused_write() -> None:
    """Its connections stay open, and it still replies to reads."""
    async with two_servers_behind_proxy() as (old, new_master, proxy, url):
        connections = Connections(url)
        await connections.pipeline(("SET", "k", "old"))
        await new_master.commands.set("k", "new")
        proxy.switch_to(new_master)
        await old.commands.replicaof("127.0.0.1", 1)
        assert await connections.pipeline(("GET", "k")) == [b"old"]

        assert await connections.pipeline(("SET", "other", "1"), ("GET", "k")) == [True, b"new"]
        assert await connections.run(TRIM, ["log"], [1]) == 0
        await connections.aclose()


async def test_server_that_stays_a_replica_is_upstream_unavailable(
    connections: Connections,
) -> None:
    async with two_servers_behind_proxy() as (old, _, _, url):
        await old.commands.replicaof("127.0.0.1", 1)
        demoted = Connections(url)
        [reply] = await demoted.pipeline(("SET", "k", "v"))
        assert isinstance(reply, ReadOnlyError)
        with pytest.raises(UpstreamUnavailable):
            await demoted.run(HEARTBEAT, ["k"], ["a", 1, 10])
        await demoted.aclose()
