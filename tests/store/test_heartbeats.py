import asyncio

from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog
from gateway.store.heartbeats import STREAM_LENGTH, Heartbeats, StoredHeartbeat
from gateway.store.keys import Keys
from tests.store.samples import ACCOUNT

KEY = Keys(ACCOUNT).heartbeat


async def test_a_sent_heartbeat_is_read_by_the_tail(connections: Connections) -> None:
    log = EventLog(connections, ACCOUNT)
    head = await log.open()
    id_ = await log.heartbeats.send("a replica", 7)
    read = await log.tail(head.position.n, 10, 1, (0, 0))
    assert read.heartbeats == [StoredHeartbeat(id_, "a replica", 7)]
    assert (await log.tail(head.position.n, 10, 1, id_)).heartbeats == []


async def test_i16_the_stream_of_heartbeats_is_bounded(connections: Connections) -> None:
    heartbeats = Heartbeats(connections, ACCOUNT)
    for start in range(0, STREAM_LENGTH + 300, 100):
        await asyncio.gather(*(heartbeats.send("a replica", start + n) for n in range(100)))
    assert STREAM_LENGTH <= await connections.commands.xlen(KEY) <= STREAM_LENGTH + 100
    memory = await connections.commands.memory_usage(KEY)
    assert memory is not None
    assert memory < 60_000


async def test_heartbeats_added_by_hand_belong_to_no_replica(connections: Connections) -> None:
    log = EventLog(connections, ACCOUNT)
    head = await log.open()
    await connections.commands.xadd(KEY, {"x": "y"}, id="5-0")
    await connections.commands.xadd(KEY, {"r": b"\xff", "n": "-1"}, id="6-0")
    read = await log.tail(head.position.n, 10, 1, (0, 0))
    assert read.heartbeats == [
        StoredHeartbeat((5, 0), "", 0),
        StoredHeartbeat((6, 0), "\N{REPLACEMENT CHARACTER}", 0),
    ]
