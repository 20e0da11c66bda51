import asyncio
import math
import time

import pytest

from gateway.core.errors import DeadlineExceeded
from gateway.service import deadlines
from gateway.service.deadlines import ANSWER_S, within


async def test_without_a_deadline_nobody_is_in_a_hurry() -> None:
    assert deadlines.left_s() == math.inf


async def test_what_is_left_is_known_inside_also_to_the_tasks_begun_there() -> None:
    async def left_s() -> float:
        return deadlines.left_s()

    async with within(60), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(left_s())
    assert 50 < task.result() <= 60 - ANSWER_S
    assert deadlines.left_s() == math.inf


async def test_what_takes_longer_is_ended_with_the_error_of_the_tree() -> None:
    with pytest.raises(DeadlineExceeded, match=r"within 0\.01 s"):
        async with within(0.01):
            await asyncio.get_running_loop().create_future()


async def test_another_time_out_stays_what_it_is() -> None:
    with pytest.raises(TimeoutError):
        async with within(60):
            raise TimeoutError


async def test_a_deadline_may_move() -> None:
    ends_at = [time.monotonic() + 5]
    token = deadlines.put(lambda: max(ends_at))
    ends_at.append(time.monotonic() + 50)
    assert 40 < deadlines.left_s() < 50
    token.var.reset(token)
