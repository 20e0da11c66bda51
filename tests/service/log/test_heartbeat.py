import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.service.log.heartbeat import Heartbeat
from gateway.service.log.timings import LogTimings
from gateway.store.connection import Connections
from gateway.store.heartbeats import Heartbeats
from gateway.store.keys import Keys
from tests.service.conftest import (
    ACCOUNT,
    RunningTail,
    event,
    in_time,
    running_tail,
    wait_until,
    wait_until_async,
)
from tests.topologies import SERVICE, sentinel_group, two_servers_behind_proxy

KEY = Keys(ACCOUNT).heartbeat


FAST = LogTimings(heartbeat_s=0.1, reconnect_s=0.15, lost_s=0.3)
"""Ten times as fast as in production."""


async def wait_for_own_heartbeat(running: RunningTail) -> None:
    heartbeat = running.tail.heartbeat
    await wait_until(lambda: heartbeat._replica in heartbeat._replicas)


async def wait_for_new_heartbeat(running: RunningTail) -> None:
    """Waits for a heartbeat that is sent from now on to come back."""
    heartbeat, now = running.tail.heartbeat, time.monotonic()
    await wait_until(lambda: heartbeat._returned_at > now)


async def test_every_replica_knows_how_many_there_are(connections: Connections) -> None:
    async with running_tail(connections, FAST) as one:
        await wait_for_own_heartbeat(one)
        assert one.tail.replicas == 1
        async with running_tail(connections, FAST) as two, running_tail(connections, FAST) as three:
            await wait_until(
                lambda: [item.tail.replicas for item in (one, two, three)] == [3, 3, 3]
            )
        await wait_until(lambda: one.tail.replicas == 1)


async def test_a_new_replica_knows_the_others_at_once(connections: Connections) -> None:
    """It does not wait for their next heartbeats: until then, it would take too large a
    share of the quota."""
    async with running_tail(connections, FAST) as one:
        await wait_for_own_heartbeat(one)
        async with running_tail(connections, FAST) as two:
            await wait_for_own_heartbeat(two)
            assert two.tail.replicas == 2


async def test_a_replica_counts_itself(connections: Connections) -> None:
    assert Heartbeat(Heartbeats(connections, ACCOUNT)).replicas == 1


@pytest.mark.parametrize(
    "last_id", [None, f"{2**64 - 1}-{2**64 - 1}"], ids=["a text", "no id left"]
)
async def test_a_damaged_stream_of_heartbeats_is_replaced(
    connections: Connections, last_id: str | None
) -> None:
    async with running_tail(connections, FAST) as running:
        await wait_for_own_heartbeat(running)
        if last_id is None:
            await connections.commands.set(KEY, "junk")
        else:
            await connections.commands.xadd(KEY, {"x": "y"}, id=last_id)
        await wait_for_new_heartbeat(running)
        assert running.tail.generation == 0


async def test_a_stream_of_heartbeats_that_starts_again_is_read(connections: Connections) -> None:
    async with running_tail(connections, FAST) as running:
        await wait_for_own_heartbeat(running)
        # As after a failover to a server whose clock is behind: its heartbeats have
        # older ids than those that were read.
        heartbeat = running.tail.heartbeat
        assert heartbeat.after is not None
        heartbeat.after = (heartbeat.after[0] + 3_600_000, 0)
        await connections.commands.delete(KEY)
        await wait_for_new_heartbeat(running)


async def test_heartbeats_continue_without_redis() -> None:
    connections = Connections("redis://127.0.0.1:1")
    heartbeat = Heartbeat(Heartbeats(connections, ACCOUNT), FAST)
    running = asyncio.get_running_loop().create_task(heartbeat.run())
    await wait_until(lambda: heartbeat.is_redis_away)
    with pytest.raises(UpstreamUnavailable):
        await heartbeat.start()
    assert not heartbeat.is_received
    assert not heartbeat.should_reconnect()
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    await connections.aclose()


async def test_p9_a_reader_on_a_demoted_master_reconnects_to_the_new_one() -> None:
    """The old server answers all the time, but new entries never arrive there."""
    async with two_servers_behind_proxy() as (old, heir, crossing, url):
        connections = Connections(url)
        try:
            async with running_tail(connections, FAST) as running:
                await wait_for_own_heartbeat(running)
                [appended] = await running.append(event())
                for key in await old.commands.keys():
                    dump: Any = await old.commands.dump(key)
                    await heir.commands.restore(key, 0, dump)
                crossing.switch_to(heir)
                # The connections for commands reconnect; the reader's does not.
                for client in await old.commands.client_list():
                    if client["cmd"] != "xread":
                        await old.commands.client_kill_filter(_id=client["id"])
                after = await in_time(running.events.append(event(), "after"))
                assert after.position.n == appended.position.n + 1
                await wait_until(lambda: running.tail.position == after.position)
                await wait_for_own_heartbeat(running)
                assert running.tail.generation == 0
        finally:
            await connections.aclose()


async def test_p9_a_master_that_sentinel_has_replaced_is_left_although_it_answers(
    tmp_path: Path,
) -> None:
    """They do not reach it, and we do: whatever it is appended will be lost."""
    async with sentinel_group(tmp_path) as group:
        connections = Connections(group.url)
        try:
            async with running_tail(connections, FAST) as running:
                [appended] = await running.append(event())
                await group.wait_for_replication()
                [sentinel] = group.sentinels
                await group.replica.client.replicaof("NO", "ONE")
                beats = await group.replica.client.xlen(KEY)
                await sentinel.client.sentinel_remove(SERVICE)
                await sentinel.client.sentinel_monitor(SERVICE, "127.0.0.1", group.replica.port, 1)

                async def has_moved() -> bool:
                    return bool(await group.replica.client.xlen(KEY) > beats)

                await wait_until_async(has_moved)
                after = await running.events.append(event(), "after")
                assert after.position.n == appended.position.n + 1
                assert await group.replica.client.xlen(Keys(ACCOUNT).log) == 2
                await wait_until(lambda: running.tail.position == after.position)
        finally:
            await connections.aclose()
