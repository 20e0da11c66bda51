import asyncio
import gc
import math
import time
from types import FunctionType

import pytest

from gateway.core.errors import DeadlineExceeded
from gateway.service import call_context
from gateway.service.call_context import CallContext
from gateway.service.flights import deadlines
from gateway.service.flights.deadlines import ANSWER_S, while_awaited, within


async def test_without_a_deadline_the_time_left_is_infinite() -> None:
    assert deadlines.left_s() == math.inf


async def test_a_deadline_holds_inside_its_block_and_in_tasks_started_there() -> None:
    async def left_s() -> float:
        return deadlines.left_s()

    async with within(60), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(left_s())
    assert 50 < task.result() <= 60 - ANSWER_S
    assert deadlines.left_s() == math.inf


async def test_a_block_that_takes_longer_is_cancelled() -> None:
    with pytest.raises(DeadlineExceeded, match=r"within 0\.01 s"):
        async with within(0.01):
            await asyncio.get_running_loop().create_future()


async def test_another_timeout_is_raised_as_it_is() -> None:
    with pytest.raises(TimeoutError):
        async with within(60):
            raise TimeoutError


async def test_a_deadline_may_move() -> None:
    ends_at = [time.monotonic() + 5]
    with call_context.entered(CallContext(deadline=lambda: max(ends_at))):
        ends_at.append(time.monotonic() + 50)
        assert 40 < deadlines.left_s() < 50


async def test_shared_work_ends_with_its_last_waiter() -> None:
    ends_at = [time.monotonic() + ANSWER_S + 0.01]
    asyncio.get_running_loop().call_later(
        0.005, lambda: ends_at.append(time.monotonic() + ANSWER_S + 0.04)
    )
    with (
        call_context.entered(CallContext(deadline=lambda: max(ends_at))),
        pytest.raises(DeadlineExceeded),
    ):
        async with while_awaited():
            await asyncio.get_running_loop().create_future()
    assert ends_at[0] < ends_at[1] <= time.monotonic() + ANSWER_S


async def test_awaited_work_without_a_deadline_is_not_cancelled() -> None:
    with pytest.raises(TimeoutError):
        async with while_awaited():
            raise TimeoutError


async def test_awaited_work_leaves_no_reference_cycle() -> None:
    def checks() -> int:
        functions = [found for found in gc.get_objects() if type(found) is FunctionType]
        return sum(
            function.__qualname__ == "while_awaited.<locals>.check" for function in functions
        )

    gc.collect()
    gc.disable()
    try:
        before = checks()
        async with within(60), while_awaited():
            pass
        assert checks() == before
    finally:
        gc.enable()
