from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.core.callers import Caller
from gateway.rpc.limits import Timings
from gateway.service.callers.authenticator import Authenticator
from tests.rpc.probe import Methods, ProbeClient, failure, occurred, serving


@pytest.fixture
def methods() -> Methods:
    return Methods()


@pytest.fixture
async def client(authenticator: Authenticator, methods: Methods) -> AsyncIterator[ProbeClient]:
    async with serving(authenticator, methods) as client:
        yield client


async def test_a_method_sees_its_caller(
    client: ProbeClient, methods: Methods, caller: Caller
) -> None:
    assert (await client.call("GetLength")).value == "4"
    assert methods.callers == [caller]


async def test_an_error_in_a_stream_follows_its_messages(client: ProbeClient) -> None:
    stream = client.stream("WatchNothing")
    assert (await stream.read()).value == "first"
    assert (await failure(stream))[1] == "NOT_FOUND"


@pytest.mark.parametrize("method", ["Watch", "Flood"])
async def test_a_stream_ends_when_its_client_leaves(
    client: ProbeClient, methods: Methods, method: str
) -> None:
    stream = client.stream(method)
    assert (await stream.read()).value == "word"
    await occurred(methods.entered)
    stream.cancel()
    await occurred(methods.left)


async def test_a_call_is_cancelled_when_its_client_leaves(
    client: ProbeClient, methods: Methods
) -> None:
    call = client.call("GetForever")
    await occurred(methods.entered)
    call.cancel()
    await occurred(methods.left)


async def test_p8_a_stream_that_is_not_read_ends_with_its_last_cursor(
    authenticator: Authenticator, methods: Methods
) -> None:
    timings = Timings(slow_reader_s=0.05, final_status_s=0.05)
    async with serving(authenticator, methods, timings=timings) as client:
        call = client.stream("WatchCursors")
        await call.read()
        # The method ends while nothing is read, because the transport is full.
        await occurred(methods.left)

        cursors = list[str]()

        async def read_on() -> None:
            while True:
                cursors.append((await call.read()).cursor)

        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await read_on()
        assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        info = error_details_pb2.ErrorInfo()
        assert (await rpc_status.aio.from_call(call)).details[0].Unpack(info)
        assert info.metadata["cursor"] == cursors[-1]


async def test_an_unknown_method_is_unimplemented(client: ProbeClient) -> None:
    call = client.call("GetWeather")
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
    assert await rpc_status.aio.from_call(call) is None
