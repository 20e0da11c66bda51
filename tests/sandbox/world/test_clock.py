import asyncio

from gateway.sandbox.world.clock import Clock
from tests.sandbox.conftest import LIMIT_S


async def test_advance_runs_due_timers_in_order() -> None:
    clock, calls = Clock(), list[str]()
    start_s = clock.now().clock_s
    clock.schedule("late", start_s + 200, lambda: calls.append("late"))
    clock.schedule("early", start_s + 100, lambda: calls.append("early"))
    clock.schedule("never", start_s + 1000, lambda: calls.append("never"))

    clock.advance(300)
    clock.cancel_all()

    assert calls == ["early", "late"]


async def test_timer_set_by_a_timer_is_measured_from_its_time() -> None:
    clock, calls = Clock(), list[float]()
    start_s = clock.now().clock_s

    def callback() -> None:
        calls.append(round(clock.now().clock_s - start_s))
        if len(calls) < 3:
            clock.schedule("again", clock.now().clock_s + 100, callback)

    clock.schedule("again", start_s + 100, callback)
    clock.advance(1000)

    assert calls == [100, 200, 300]
    assert round(clock.now().clock_s - start_s) == 1000


async def test_timer_runs_by_itself_when_due() -> None:
    clock, calls = Clock(), asyncio.Event()

    clock.schedule("soon", clock.now().clock_s + 0.001, calls.set)

    async with asyncio.timeout(LIMIT_S):
        await calls.wait()


async def test_earlier_timer_replaces_a_later_one_but_not_vice_versa() -> None:
    clock, calls = Clock(), list[str]()
    start_s = clock.now().clock_s
    clock.schedule("room", start_s + 500, lambda: calls.append("first"))
    clock.schedule("room", start_s + 100, lambda: calls.append("earlier"))
    clock.schedule("room", start_s + 900, lambda: calls.append("later"))

    clock.advance(1000)

    assert calls == ["earlier"]


async def test_cancelled_timer_does_not_run() -> None:
    clock, calls = Clock(), list[str]()
    clock.schedule("room", clock.now().clock_s + 100, lambda: calls.append("room"))

    clock.cancel("room")
    clock.advance(200)

    assert calls == []


async def test_advance_does_not_change_the_wall_clock() -> None:
    clock = Clock()
    before = clock.now()

    clock.advance(3600)

    assert clock.now().clock_s - before.clock_s >= 3600
    assert (clock.now().wall - before.wall).total_seconds() < 3600
