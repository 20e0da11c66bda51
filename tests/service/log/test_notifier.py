import asyncio

from gateway.service.log.notifier import Notifier, Notifiers
from tests.service.conftest import LIMIT_S, sid


async def test_a_notification_between_clear_and_wait_is_not_missed() -> None:
    notifier = Notifier(None)
    notifier.clear()
    notifier.notify()
    assert await notifier.wait(0)


async def test_a_notification_between_timeout_and_wake_up_is_not_missed() -> None:
    notifier = Notifier(None)
    waiting = asyncio.get_running_loop().create_task(notifier.wait(LIMIT_S))
    await asyncio.sleep(0)
    notifier._wake_up()  # as the timeout does: the wait is over, and its task has not run yet
    notifier.notify()
    assert await waiting


async def test_the_task_stays_asleep_when_on_notify_did_the_work() -> None:
    notifier, results = Notifier(None), [True, False]
    notifier.on_notify = lambda: results.pop(0)
    waiting = asyncio.get_running_loop().create_task(notifier.wait(LIMIT_S))
    await asyncio.sleep(0)
    notifier.notify()
    await asyncio.sleep(0)
    assert not waiting.done()
    notifier.notify()
    assert await waiting


async def test_on_notify_is_not_called_while_the_task_does_not_wait() -> None:
    notifier, calls = Notifier(None), list[bool]()

    def on_notify() -> bool:
        calls.append(True)
        return True

    notifier.on_notify = on_notify
    notifier.notify()
    assert await notifier.wait(0)
    assert not calls


async def test_a_timeout_is_no_notification() -> None:
    assert not await Notifier(None).wait(0)


async def test_a_room_notifies_its_own_notifiers_and_those_of_the_account() -> None:
    notifiers = Notifiers()
    with (
        notifiers.register(sid(1)) as own,
        notifiers.register(sid(2)) as other,
        notifiers.register(None) as account,
    ):
        notifiers.notify([sid(1), sid(3)])
        assert [await item.wait(0) for item in (own, other, account)] == [True, False, True]


async def test_notify_all_reaches_every_notifier() -> None:
    notifiers = Notifiers()
    with notifiers.register(sid(1)) as one, notifiers.register(None) as account:
        notifiers.notify_all()
        assert [await item.wait(0) for item in (one, account)] == [True, True]


def test_i16_nothing_is_left_of_a_notifier_that_is_not_used_any_more() -> None:
    notifiers = Notifiers()
    with notifiers.register(sid(1)), notifiers.register(sid(1)), notifiers.register(None):
        assert len(notifiers) == 3
    assert (len(notifiers), notifiers._by_room) == (0, {})
