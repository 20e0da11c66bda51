import asyncio
import gc
import math
import weakref
from collections.abc import Awaitable, Callable

import pytest

from gateway.core.errors import DeadlineExceeded, NotFound
from gateway.service import call_context
from gateway.service.flights import deadlines
from gateway.service.flights.singleflight import SingleFlight
from tests.service.conftest import wait_until


class Calls:
    """A call that waits at a barrier, and counts its outcomes."""

    def __init__(self) -> None:
        self.started = self.ended = self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.started += 1
        number = self.started
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.ended += 1
        return number


async def test_callers_of_one_key_share_one_call() -> None:
    flights, call = SingleFlight[int](), Calls()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(flights.share("a", call)) for _ in range(50)]
        await wait_until(lambda: call.started == 1)
        call.go.set()
    assert [caller.result() for caller in callers] == [1] * 50
    assert (call.started, call.ended) == (1, 1)


async def test_a_call_that_has_ended_is_not_joined() -> None:
    flights, call = SingleFlight[int](), Calls()
    call.go.set()
    assert [await flights.share("a", call), await flights.share("a", call)] == [1, 2]


async def test_callers_of_other_keys_make_their_own_calls() -> None:
    flights, call = SingleFlight[int](), Calls()
    call.go.set()
    first, second = await asyncio.gather(
        flights.share(("a", 1), call), flights.share(("a", 2), call)
    )
    assert (first, second) == (1, 2)


async def test_the_last_caller_to_leave_cancels_the_call_and_the_first_does_not() -> None:
    flights, call = SingleFlight[int](), Calls()
    async with asyncio.TaskGroup() as group:
        first, last = (
            group.create_task(flights.share("a", call)),
            group.create_task(flights.share("a", call)),
        )
        await wait_until(lambda: call.started == 1)
        await _leave(first)
        assert call.cancelled == 0
        await _leave(last)
        await wait_until(lambda: call.cancelled == 1)


async def test_a_call_after_a_cancelled_one_with_the_same_key_can_be_joined() -> None:
    """The cancelled call has not ended yet then, and must not remove the new one."""
    flights, call = SingleFlight[int](), Calls()
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(flights.share("a", call))
        await wait_until(lambda: call.started == 1)
        leaving.cancel()
        late = group.create_task(flights.share("a", call))
        await wait_until(lambda: call.cancelled == 1 and call.started == 2)
        joining = group.create_task(flights.share("a", call))
        await wait_until(lambda: leaving.done())
        call.go.set()
    assert (late.result(), joining.result(), call.started) == (2, 2, 2)


async def test_all_callers_get_the_failure() -> None:
    flights = SingleFlight[int]()

    async def fail() -> int:
        raise NotFound("no such room")

    outcomes = await asyncio.gather(
        *(flights.share("a", fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [NotFound] * 3


async def test_a_detached_call_runs_run_detached() -> None:
    flights, call = SingleFlight[int](), Calls()
    flights.begin("a", call)
    flights.begin("a", call)
    await wait_until(lambda: call.started == 1)
    async with asyncio.TaskGroup() as group:
        waiter = group.create_task(flights.share("a", call))
        await asyncio.sleep(0)
        await _leave(waiter)
    call.go.set()
    await wait_until(lambda: call.ended == 1)
    assert call.cancelled == 0


async def test_finish_runs_the_call_run_detached_without_its_caller() -> None:
    flights, call = SingleFlight[int](), Calls()
    async with asyncio.TaskGroup() as group:
        caller = group.create_task(flights.finish(call))
        await wait_until(lambda: call.started == 1)
        await _leave(caller)
    call.go.set()
    await wait_until(lambda: call.ended == 1)


async def test_aclose_waits_for_running_calls() -> None:
    flights, call = SingleFlight[int](), Calls()
    async with asyncio.TaskGroup() as group:
        caller = group.create_task(flights.finish(call))
        await wait_until(lambda: call.started == 1)
        closing = group.create_task(flights.aclose(grace_s=60))
        await asyncio.sleep(0)
        call.go.set()
    assert (caller.result(), closing.done(), call.cancelled) == (1, True, 0)


@pytest.mark.parametrize("calls", [1, 3])
async def test_aclose_without_grace_leaves_no_task(calls: int) -> None:
    flights, call = SingleFlight[int](), Calls()
    tasks = asyncio.all_tasks()
    for number in range(calls):
        flights.begin(number, call)
    await wait_until(lambda: call.started == calls)
    await flights.aclose()
    assert call.cancelled == calls
    assert asyncio.all_tasks() == tasks


async def test_a_bug_in_a_call_without_waiters_is_reported() -> None:
    flights, reported = SingleFlight[int](), []
    loop = asyncio.get_running_loop()

    async def fail() -> int:
        raise ZeroDivisionError

    async def refuse() -> int:
        raise NotFound("no such room")

    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    try:
        for call in (fail, refuse):
            await _run_detached(flights, call)
    finally:
        loop.set_exception_handler(before)
    assert [type(failure) for failure in reported] == [ZeroDivisionError]


async def _leave(caller: "asyncio.Task[int]") -> None:
    caller.cancel()
    await asyncio.wait([caller])


async def _run_detached(flights: SingleFlight[int], call: Callable[[], Awaitable[int]]) -> None:
    ended = asyncio.Event()

    async def wrapped() -> int:
        try:
            return await call()
        finally:
            ended.set()

    flights.begin(call, wrapped)
    await ended.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_i15_a_shared_call_has_the_latest_deadline_of_its_waiters() -> None:
    flights, call = SingleFlight[int](), Calls()
    found: list[float] = []

    async def read_deadline() -> int:
        found.append(call_context.current().deadline())
        number = await call()
        found.append(call_context.current().deadline())
        return number

    async def waiter(ends_at: float) -> int:
        deadlines.enter(lambda: ends_at)
        return await flights.share("a", read_deadline)

    async with asyncio.TaskGroup() as group:
        group.create_task(waiter(5.0))
        await wait_until(lambda: call.started == 1)
        late = group.create_task(waiter(9.0))
        leaving = group.create_task(waiter(99.0))
        await asyncio.sleep(0)
        await _leave(leaving)
        call.go.set()
    assert (found, late.result()) == ([5.0, 9.0], 1)


async def test_i15_a_shared_call_inside_another_has_its_deadline() -> None:
    flights, call = SingleFlight[int](), Calls()
    inner: list[float] = []

    async def read_deadline() -> int:
        number = await call()
        inner.append(call_context.current().deadline())
        return number

    async def waiter(ends_at: float) -> int:
        deadlines.enter(lambda: ends_at)
        return await flights.share("outer", lambda: flights.share("inner", read_deadline))

    async with asyncio.TaskGroup() as group:
        group.create_task(waiter(5.0))
        await wait_until(lambda: call.started == 1)
        group.create_task(waiter(7.0))
        await asyncio.sleep(0)
        call.go.set()
    assert inner == [7.0]


async def test_i15_a_call_that_is_finished_without_its_caller_has_no_time_left() -> None:
    flights, call = SingleFlight[int](), Calls()
    left: list[float] = []

    async def to_the_end() -> int:
        number = await call()
        left.append(deadlines.left_s())
        return number

    async with asyncio.TaskGroup() as group:
        caller = group.create_task(flights.finish(to_the_end))
        await wait_until(lambda: call.started == 1)
        await _leave(caller)
        call.go.set()
        await wait_until(lambda: len(left) == 1)
    assert left == [-math.inf]


async def test_a_caller_with_a_fallback_stops_waiting_and_the_call_goes_on() -> None:
    flights, call = SingleFlight[int](), Calls()
    with pytest.raises(DeadlineExceeded):
        await flights.share("a", call, max_wait_s=0.01)
    assert call.cancelled == 0
    async with asyncio.TaskGroup() as group:
        late = group.create_task(flights.share("a", call))
        await asyncio.sleep(0)
        call.go.set()
    assert (late.result(), call.started) == (1, 1)


async def test_a_caller_with_a_fallback_leaves_time_for_it() -> None:
    flights, call = SingleFlight[int](), Calls()
    async with deadlines.within(deadlines.ANSWER_S + 0.02):
        with pytest.raises(DeadlineExceeded):
            await flights.share("a", call, max_wait_s=60)
    await flights.aclose()


async def test_a_timeout_of_the_call_itself_is_raised_as_it_is() -> None:
    async def fail() -> int:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await SingleFlight[int]().share("a", fail, max_wait_s=60)


async def test_a_shared_call_leaves_no_reference_cycle() -> None:
    flights, tasks = SingleFlight[None](), weakref.WeakSet[object]()

    async def call() -> None:
        tasks.add(asyncio.current_task())

    gc.collect()
    gc.disable()
    try:
        await flights.share("key", call)
        await wait_until(lambda: not tasks)
    finally:
        gc.enable()
