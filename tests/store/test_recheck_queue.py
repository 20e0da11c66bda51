from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.recheck_queue import LIFETIME_S, RecheckQueue
from tests.service.conftest import ACCOUNT, sid


async def test_room_added_twice_is_taken_once(connections: Connections) -> None:
    recheck_queue = RecheckQueue(connections, ACCOUNT)
    for number in (1, 2, 1):
        await recheck_queue.add(sid(number))
    assert sorted(await recheck_queue.take(10)) == [sid(1), sid(2)]
    assert await recheck_queue.take(10) == []


async def test_take_is_bounded_by_count(connections: Connections) -> None:
    recheck_queue = RecheckQueue(connections, ACCOUNT)
    for number in range(5):
        await recheck_queue.add(sid(number))
    assert len(await recheck_queue.take(3)) == 3
    assert len(await recheck_queue.take(3)) == 2


async def test_queue_expires(
    connections: Connections,
) -> None:
    await RecheckQueue(connections, ACCOUNT).add(sid(1))
    assert 0 < await connections.commands.ttl(Keys(ACCOUNT).recheck_queue) <= LIFETIME_S
