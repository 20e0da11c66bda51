import asyncio

from gateway.sandbox.world.clock import Clock
from tests.sandbox.conftest import LIMIT_S


async def test_a_push_rings_what_falls_due_in_its_order() -> None:
    clock, rung = Clock(), list[str]()
    start_s = clock.now().clock_s
    clock.alarm("late", start_s + 200, lambda: rung.append("late"))
    clock.alarm("early", start_s + 100, lambda: rung.append("early"))
    clock.alarm("never", start_s + 1000, lambda: rung.append("never"))

    clock.advance(300)
    clock.clear()

    assert rung == ["early", "late"]


async def test_an_alarm_set_by_an_alarm_is_measured_from_there() -> None:
    clock, rung = Clock(), list[float]()
    start_s = clock.now().clock_s

    def ring() -> None:
        rung.append(round(clock.now().clock_s - start_s))
        if len(rung) < 3:
            clock.alarm("again", clock.now().clock_s + 100, ring)

    clock.alarm("again", start_s + 100, ring)
    clock.advance(1000)

    assert rung == [100, 200, 300]
    assert round(clock.now().clock_s - start_s) == 1000


async def test_an_alarm_rings_by_itself_when_its_time_has_come() -> None:
    clock, rung = Clock(), asyncio.Event()

    clock.alarm("soon", clock.now().clock_s + 0.001, rung.set)

    async with asyncio.timeout(LIMIT_S):
        await rung.wait()


async def test_moving_an_alarm_earlier_counts_and_later_does_not() -> None:
    clock, rung = Clock(), list[str]()
    start_s = clock.now().clock_s
    clock.alarm("room", start_s + 500, lambda: rung.append("first"))
    clock.alarm("room", start_s + 100, lambda: rung.append("earlier"))
    clock.alarm("room", start_s + 900, lambda: rung.append("later"))

    clock.advance(1000)

    assert rung == ["earlier"]


async def test_a_dropped_alarm_is_silent() -> None:
    clock, rung = Clock(), list[str]()
    clock.alarm("room", clock.now().clock_s + 100, lambda: rung.append("room"))

    clock.drop("room")
    clock.advance(200)

    assert rung == []


async def test_a_push_does_not_move_the_dates() -> None:
    clock = Clock()
    before = clock.now()

    clock.advance(3600)

    assert clock.now().clock_s - before.clock_s >= 3600
    assert (clock.now().wall - before.wall).total_seconds() < 3600
