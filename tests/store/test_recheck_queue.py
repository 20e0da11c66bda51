from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.recheck_queue import KEPT_S, RecheckQueue
from tests.service.conftest import ACCOUNT, sid


async def test_each_is_taken_once_however_often_it_was_added(connections: Connections) -> None:
    recheck_queue = RecheckQueue(connections, ACCOUNT)
    for number in (1, 2, 1):
        await recheck_queue.add(sid(number))
    assert sorted(await recheck_queue.take(10)) == [sid(1), sid(2)]
    assert await recheck_queue.take(10) == []


async def test_no_more_are_taken_than_asked_for(connections: Connections) -> None:
    recheck_queue = RecheckQueue(connections, ACCOUNT)
    for number in range(5):
        await recheck_queue.add(sid(number))
    assert len(await recheck_queue.take(3)) == 3
    assert len(await recheck_queue.take(3)) == 2


async def test_without_anybody_who_takes_them_they_go_by_themselves(
    connections: Connections,
) -> None:
    await RecheckQueue(connections, ACCOUNT).add(sid(1))
    assert 0 < await connections.commands.ttl(Keys(ACCOUNT).recheck_queue) <= KEPT_S
