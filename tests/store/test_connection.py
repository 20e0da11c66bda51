import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.exceptions import ReadOnlyError, ResponseError

from gateway.core.errors import FailedPrecondition, UpstreamUnavailable
from gateway.store.connection import CARRIERS, READ_S, WRITE_S, Connections, Script
from gateway.store.routes import Command, ServerRoute
from tests.topologies import two_servers_behind_proxy

TRIM = Script("head.lua", "trim.lua")
HEARTBEAT = Script("head.lua", "heartbeat.lua")


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Accepts connections and never says a word."""
    gone = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        gone.set()
        server.close()
        await server.wait_closed()


async def test_a_script_is_given_again_to_a_server_that_forgot_it(connections: Connections) -> None:
    await connections.run(TRIM, ["log"], [1])
    await connections.commands.script_flush()

    assert await connections.run(TRIM, ["log"], [1]) == 0


async def test_a_redis_that_is_away_is_unavailable_by_its_code() -> None:
    connections = Connections("redis://127.0.0.1:1")

    with pytest.raises(UpstreamUnavailable, match="Redis gave no answer"):
        await connections.ask(connections.commands.ping())


async def test_a_redis_that_hangs_is_given_up_in_time() -> None:
    async with silent_server() as url:
        connections = Connections(url)
        with pytest.raises(UpstreamUnavailable):
            # The limit here is the fact: it is what a callback can wait for.
            async with asyncio.timeout(1.2):
                await connections.run(TRIM, ["log"], [1])
        await connections.aclose()


async def test_more_callers_than_connections_wait_for_their_turn(connections: Connections) -> None:
    asked = (connections.ask(connections.commands.incr("n"), within_s=10) for _ in range(300))
    answers = await asyncio.gather(*asked)

    assert sorted(answers) == list(range(1, 301))


async def test_a_connection_lost_while_it_lay_idle_costs_no_error(
    redis_url: str, connections: Connections
) -> None:
    others = Connections(redis_url)
    await others.ask(others.commands.client_setname("idle"))
    for client in await connections.commands.client_list():
        if client["name"] == "idle":
            await connections.commands.client_kill_filter(_id=client["id"])

    assert await others.ask(others.commands.ping())
    await others.aclose()


async def test_a_refusal_shows_no_key(connections: Connections) -> None:
    await connections.commands.set("secret-key", "text")

    with pytest.raises(UpstreamUnavailable, match=r"^Redis refused a command$"):
        await connections.ask(connections.commands.xrange("secret-key"))


async def test_an_abandoned_command_gives_its_answer_to_nobody_else(
    connections: Connections,
) -> None:
    with pytest.raises(UpstreamUnavailable):
        await connections.ask(connections.commands.blpop(["empty"], timeout=1), within_s=0.01)

    assert await connections.ask(connections.commands.echo("mine")) == b"mine"


async def test_a_server_that_evicts_keys_is_refused(connections: Connections) -> None:
    await connections.check_policy()
    await connections.commands.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(FailedPrecondition, match="set it to noeviction"):
            await connections.check_policy()
    finally:
        await connections.commands.config_set("maxmemory-policy", "noeviction")


async def test_reads_of_one_moment_share_their_round_trips(redis_url: str) -> None:
    connections = Connections(redis_url)
    await asyncio.gather(*(connections.commands.set(f"k{n}", n) for n in range(3)))
    answers = await asyncio.gather(
        *(connections.read(("GET", f"k{n % 3}"), ("GET", "none")) for n in range(300))
    )
    used = [client for client in await connections.commands.client_list() if client["cmd"] == "get"]
    await connections.aclose()
    assert answers == [[str(n % 3).encode(), None] for n in range(300)]
    assert 1 <= len(used) <= CARRIERS


async def test_a_read_that_fails_leaves_the_others_of_its_load_alone(
    connections: Connections,
) -> None:
    await connections.commands.set("text", "x")
    wrong, right = await asyncio.gather(
        connections.read(("HGET", "text", "field")),
        connections.read(("GET", "text"), ("GET", "none")),
    )
    assert isinstance(wrong[0], ResponseError)
    assert right == [b"x", None]


async def test_a_reader_who_leaves_takes_nobody_along(connections: Connections) -> None:
    await connections.commands.set("k", "v")
    leaving = asyncio.get_running_loop().create_task(connections.read(("GET", "k")))
    staying = asyncio.get_running_loop().create_task(connections.read(("GET", "k")))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == [b"v"]


class Held(ServerRoute):
    """Each load comes to the server when the test lets it."""

    def __init__(self, route: ServerRoute) -> None:
        super().__init__(route.client)
        self.loads: list[asyncio.Future[None]] = []

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        self.loads.append(asyncio.get_running_loop().create_future())
        await self.loads[-1]
        return [b"answered" for _ in commands]

    async def until_sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.loads) < count:  # noqa: ASYNC110
                await asyncio.sleep(0)


async def test_who_asks_while_the_last_carriers_leave_is_not_left_waiting(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(connections._route, ServerRoute)
    held = Held(connections._route)
    monkeypatch.setattr(connections, "_route", held)

    async def ask(times: int) -> list[Any]:
        return [await connections.read(("GET", "x")) for _ in range(times)]

    async with asyncio.TaskGroup() as group:
        twice = group.create_task(ask(2))
        await held.until_sent(1)
        once = group.create_task(ask(1))
        await held.until_sent(CARRIERS)
        for load in held.loads:
            load.set_result(None)  # both come back in one step
        await held.until_sent(3)
        held.loads[2].set_result(None)
    assert (len(twice.result()), len(once.result())) == (2, 1)


async def test_without_redis_every_reader_of_a_load_is_told() -> None:
    connections = Connections("redis://127.0.0.1:1")
    outcomes = await asyncio.gather(
        *(connections.read(("GET", "k")) for _ in range(5)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [UpstreamUnavailable] * 5
    await connections.aclose()


async def test_a_master_that_was_demoted_is_left_by_the_first_write_that_it_refuses() -> None:
    """Its connections stay open, and it goes on answering reads."""
    async with two_servers_behind_proxy() as (old, heir, crossing, url):
        connections = Connections(url)
        await connections.read(("SET", "k", "old"))
        await heir.commands.set("k", "new")
        crossing.switch_to(heir)
        await old.commands.replicaof("127.0.0.1", 1)
        assert await connections.read(("GET", "k")) == [b"old"]

        assert await connections.read(("SET", "other", "1"), ("GET", "k")) == [True, b"new"]
        assert await connections.run(TRIM, ["log"], [1]) == 0
        await connections.aclose()


async def test_a_master_that_stays_demoted_is_unavailable(connections: Connections) -> None:
    async with two_servers_behind_proxy() as (old, _, _, url):
        await old.commands.replicaof("127.0.0.1", 1)
        demoted = Connections(url)
        [answer] = await demoted.read(("SET", "k", "v"))
        assert isinstance(answer, ReadOnlyError)
        with pytest.raises(UpstreamUnavailable):
            await demoted.run(HEARTBEAT, ["k"], ["a", 1, 10])
        await demoted.aclose()


async def test_nobody_waits_for_what_nobody_waits_for(redis_url: str) -> None:
    """Reads that got no answer in their time do not hold up who comes after them for as long as a callback may wait."""
    async with silent_server() as url:
        connections = Connections(url)
        reads = [connections.read(("GET", "k")) for _ in range(CARRIERS)]
        assert len(await asyncio.gather(*reads, return_exceptions=True)) == CARRIERS
        lane = connections._lanes[""]
        async with asyncio.timeout(WRITE_S - READ_S):
            await asyncio.gather(*lane.carriers)
        await connections.aclose()
