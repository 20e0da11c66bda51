from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.recheck_queue import KEPT_S, Suspects
from tests.service.conftest import ACCOUNT, sid


async def test_each_is_taken_once_however_often_it_was_added(connections: Connections) -> None:
    suspects = Suspects(connections, ACCOUNT)
    for number in (1, 2, 1):
        await suspects.add(sid(number))
    assert sorted(await suspects.take(10)) == [sid(1), sid(2)]
    assert await suspects.take(10) == []


async def test_no_more_are_taken_than_asked_for(connections: Connections) -> None:
    suspects = Suspects(connections, ACCOUNT)
    for number in range(5):
        await suspects.add(sid(number))
    assert len(await suspects.take(3)) == 3
    assert len(await suspects.take(3)) == 2


async def test_without_anybody_who_takes_them_they_go_by_themselves(connections: Connections) -> None:
    await Suspects(connections, ACCOUNT).add(sid(1))
    assert 0 < await connections.commands.ttl(Keys(ACCOUNT).suspects) <= KEPT_S
