import asyncio
import time
from pathlib import Path

import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.service.log.heartbeat import Heartbeat
from gateway.service.log.timings import LogTimings
from gateway.store.connection import Connections
from gateway.store.heartbeats import Heartbeats
from gateway.store.keys import Keys
from tests.service.conftest import ACCOUNT, Followed, event, eventually, following, soon, until
from tests.topologies import SERVICE, sentinel_group, two_servers_behind_proxy

KEY = Keys(ACCOUNT).heartbeat


FAST = LogTimings(heartbeat_s=0.1, reconnect_s=0.15, lost_s=0.3)
"""Ten times as fast as in production."""


async def hears_itself(followed: Followed) -> None:
    beats = followed.tail.heartbeat
    await until(lambda: beats._replica in beats._replicas)


async def comes_back(followed: Followed) -> None:
    """A beat that goes out from now on."""
    beats, now = followed.tail.heartbeat, time.monotonic()
    await until(lambda: beats._returned_at > now)


async def test_every_replica_hears_how_many_there_are(connections: Connections) -> None:
    async with following(connections, FAST) as one:
        await hears_itself(one)
        assert one.tail.replicas == 1
        async with following(connections, FAST) as two, following(connections, FAST) as three:
            await until(lambda: [each.tail.replicas for each in (one, two, three)] == [3, 3, 3])
        await until(lambda: one.tail.replicas == 1)


async def test_who_comes_later_hears_at_once_who_is_there(connections: Connections) -> None:
    """And does not wait for their next beats: it would take more of what they share
    until then."""
    async with following(connections, FAST) as one:
        await hears_itself(one)
        async with following(connections, FAST) as two:
            await hears_itself(two)
            assert two.tail.replicas == 2


async def test_nobody_counts_as_none(connections: Connections) -> None:
    assert Heartbeat(Heartbeats(connections, ACCOUNT)).replicas == 1


@pytest.mark.parametrize(
    "last_id", [None, f"{2**64 - 1}-{2**64 - 1}"], ids=["a text", "no id left"]
)
async def test_what_somebody_put_in_place_of_the_beats_goes(
    connections: Connections, last_id: str | None
) -> None:
    async with following(connections, FAST) as followed:
        await hears_itself(followed)
        if last_id is None:
            await connections.commands.set(KEY, "junk")
        else:
            await connections.commands.xadd(KEY, {"x": "y"}, id=last_id)
        await comes_back(followed)
        assert followed.tail.generation == 0


async def test_a_stream_of_beats_that_begins_again_is_heard(connections: Connections) -> None:
    async with following(connections, FAST) as followed:
        await hears_itself(followed)
        # As after a failover to a server whose clock is behind: all that is said there
        # lies before what was heard here.
        beats = followed.tail.heartbeat
        assert beats.after is not None
        beats.after = (beats.after[0] + 3_600_000, 0)
        await connections.commands.delete(KEY)
        await comes_back(followed)


async def test_without_redis_it_goes_on_and_says_so() -> None:
    connections = Connections("redis://127.0.0.1:1")
    heartbeat = Heartbeat(Heartbeats(connections, ACCOUNT), FAST)
    running = asyncio.get_running_loop().create_task(heartbeat.run())
    await until(lambda: heartbeat.is_redis_away)
    with pytest.raises(UpstreamUnavailable):
        await heartbeat.start()
    assert not heartbeat.is_heard
    assert not heartbeat.should_reconnect()
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    await connections.aclose()


async def test_a_reader_that_hangs_on_a_master_of_yesterday_finds_the_one_of_today() -> None:
    """It is answered all the time; only what the others write never comes."""
    async with two_servers_behind_proxy() as (old, heir, crossing, url):
        connections = Connections(url)
        try:
            async with following(connections, FAST) as followed:
                await hears_itself(followed)
                [told] = await followed.tell(event())
                for key in await old.commands.keys():
                    await heir.commands.restore(key, 0, await old.commands.dump(key))
                crossing.switch_to(heir)
                # The connections for commands are made anew; the reader's is not.
                for client in await old.commands.client_list():
                    if client["cmd"] != "xread":
                        await old.commands.client_kill_filter(_id=client["id"])
                after = await soon(followed.events.append(event(), "after"))
                assert after.position.n == told.position.n + 1
                await until(lambda: followed.tail.position == after.position)
                await hears_itself(followed)
                assert followed.tail.generation == 0
        finally:
            await connections.aclose()


async def test_a_master_that_the_sentinels_have_given_up_is_left_though_it_answers(
    tmp_path: Path,
) -> None:
    """They do not reach it, and we do: whatever it is told will be lost."""
    async with sentinel_group(tmp_path) as group:
        connections = Connections(group.url)
        try:
            async with following(connections, FAST) as followed:
                [told] = await followed.tell(event())
                await group.wait_for_replication()
                [sentinel] = group.sentinels
                await group.replica.client.replicaof("NO", "ONE")
                beats = await group.replica.client.xlen(KEY)
                await sentinel.client.sentinel_remove(SERVICE)
                await sentinel.client.sentinel_monitor(SERVICE, "127.0.0.1", group.replica.port, 1)

                async def has_moved() -> bool:
                    return bool(await group.replica.client.xlen(KEY) > beats)

                await eventually(has_moved)
                after = await followed.events.append(event(), "after")
                assert after.position.n == told.position.n + 1
                assert await group.replica.client.xlen(Keys(ACCOUNT).log) == 2
                await until(lambda: followed.tail.position == after.position)
        finally:
            await connections.aclose()
