import asyncio
import time
from pathlib import Path

import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.service.log import heartbeat as heartbeat_module
from gateway.service.log import tail as tail_module
from gateway.service.log.heartbeat import Heartbeat
from gateway.store.connection import Connections
from gateway.store.eventlog import HEARTBEATS, Beat, EventLog
from gateway.store.keys import Keys
from tests.service.conftest import ACCOUNT, Followed, event, eventually, following, soon, until
from tests.topologies import SERVICE, master_and_heir, sentinel_group

KEY = Keys(ACCOUNT).heartbeat


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as fast as it is."""
    for name, value in (("BEAT_S", 0.1), ("LOST_S", 0.3), ("DOUBT_S", 0.15)):
        monkeypatch.setattr(heartbeat_module, name, value)
    monkeypatch.setattr(tail_module, "LOST_S", 0.3)


async def hears_itself(followed: Followed) -> None:
    beats = followed.tail.heartbeat
    await until(lambda: beats._name in beats._replicas)


async def comes_back(followed: Followed) -> None:
    """A beat that goes out from now on."""
    beats, now = followed.tail.heartbeat, time.monotonic()
    await until(lambda: beats._came_back_at > now)


@pytest.mark.usefixtures("brisk")
async def test_every_replica_hears_how_many_there_are(connections: Connections) -> None:
    async with following(connections) as one:
        await hears_itself(one)
        assert one.tail.replicas == 1
        async with following(connections) as two, following(connections) as three:
            await until(lambda: [each.tail.replicas for each in (one, two, three)] == [3, 3, 3])
        await until(lambda: one.tail.replicas == 1)


async def test_who_comes_later_hears_at_once_who_is_there(connections: Connections) -> None:
    """And does not wait for their next beats: it would take more of what they share until then."""
    async with following(connections) as one:
        await hears_itself(one)
        async with following(connections) as two:
            await hears_itself(two)
            assert two.tail.replicas == 2


async def test_nobody_counts_as_none(connections: Connections) -> None:
    assert Heartbeat(EventLog(connections, ACCOUNT)).replicas == 1


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize(
    "last_id", [None, f"{2**64 - 1}-{2**64 - 1}"], ids=["a text", "no id left"]
)
async def test_what_somebody_put_in_place_of_the_beats_goes(
    connections: Connections, last_id: str | None
) -> None:
    async with following(connections) as followed:
        await hears_itself(followed)
        if last_id is None:
            await connections.commands.set(KEY, "junk")
        else:
            await connections.commands.xadd(KEY, {"x": "y"}, id=last_id)
        await comes_back(followed)
        assert followed.tail.generation == 0


@pytest.mark.usefixtures("brisk")
async def test_a_stream_of_beats_that_begins_again_is_heard(connections: Connections) -> None:
    async with following(connections) as followed:
        await hears_itself(followed)
        # As after a failover to a server whose clock is behind: all that is said there lies before what was heard here.
        beats = followed.tail.heartbeat
        assert beats.after is not None
        beats.after = (beats.after[0] + 3_600_000, 0)
        await connections.commands.delete(KEY)
        await comes_back(followed)


async def test_the_beats_take_little_room(connections: Connections) -> None:
    log = EventLog(connections, ACCOUNT)
    for start in range(0, HEARTBEATS + 300, 100):
        await asyncio.gather(*(log.beat("someone", start + number) for number in range(100)))
    assert HEARTBEATS <= await connections.commands.xlen(KEY) <= HEARTBEATS + 100
    assert await connections.commands.memory_usage(KEY) < 60_000


async def test_beats_that_somebody_else_wrote_are_nobodys(connections: Connections) -> None:
    log = EventLog(connections, ACCOUNT)
    head = await log.open()
    await connections.commands.xadd(KEY, {"x": "y"}, id="5-0")
    await connections.commands.xadd(KEY, {"r": b"\xff", "n": "-1"}, id="6-0")
    heard = await log.tail(head.position.n, 1, (0, 0))
    assert heard.beats == [Beat((5, 0), "", 0), Beat((6, 0), "�", 0)]


@pytest.mark.usefixtures("brisk")
async def test_without_redis_it_goes_on_and_says_so() -> None:
    connections = Connections("redis://127.0.0.1:1")
    heartbeat = Heartbeat(EventLog(connections, ACCOUNT))
    running = asyncio.get_running_loop().create_task(heartbeat.run())
    await until(lambda: heartbeat.is_redis_away)
    with pytest.raises(UpstreamUnavailable):
        await heartbeat.begin()
    assert not heartbeat.is_heard
    assert not heartbeat.is_in_doubt()
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    await connections.aclose()


@pytest.mark.usefixtures("brisk")
async def test_a_reader_that_hangs_on_a_master_of_yesterday_finds_the_one_of_today() -> None:
    """It is answered all the time; only what the others write never comes."""
    async with master_and_heir() as (old, heir, crossing, url):
        connections = Connections(url)
        try:
            async with following(connections) as followed:
                await hears_itself(followed)
                [told] = await followed.tell(event())
                for key in await old.commands.keys():
                    await heir.commands.restore(key, 0, await old.commands.dump(key))
                crossing.lead_to(heir)
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


@pytest.mark.usefixtures("brisk")
async def test_a_master_that_the_sentinels_have_given_up_is_left_though_it_answers(
    tmp_path: Path,
) -> None:
    """They do not reach it, and we do: whatever it is told will be lost."""
    async with sentinel_group(tmp_path) as group:
        connections = Connections(group.url)
        try:
            async with following(connections) as followed:
                [told] = await followed.tell(event())
                await group.caught_up()
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
