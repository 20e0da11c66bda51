import asyncio

import pytest

from gateway.core.errors import NotFound
from gateway.service.flights.gather import gather_outcomes


async def succeed() -> int:
    return 1


async def test_a_gateway_error_is_the_outcome_of_its_call_alone() -> None:
    async def fail() -> int:
        raise NotFound("not here")

    good, bad = await gather_outcomes([succeed(), fail()])
    assert good == 1
    assert isinstance(bad, NotFound)


async def test_a_bug_in_one_call_cancels_the_others_and_is_raised() -> None:
    cancelled = asyncio.Event()

    async def wait() -> int:
        try:
            result: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            return await result
        finally:
            cancelled.set()

    async def crash() -> int:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        await gather_outcomes([wait(), crash()])
    assert raised.value.subgroup(ZeroDivisionError) is not None
    assert cancelled.is_set()
