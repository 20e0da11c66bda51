"""Each stage, observed from a client of a real server."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from structlog.testing import capture_logs

from gateway.core.callers import Caller
from gateway.rpc.limits import Limits, Timings
from gateway.service.callers.api_keys import ApiKey, ApiKeys
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.timings import CallerTimings
from tests.rpc import probe
from tests.rpc.probe import Methods, ProbeClient, failure, occurred, serving

from .conftest import API_KEY


@pytest.fixture
def methods() -> Methods:
    return Methods()


@pytest.fixture
async def client(authenticator: Authenticator, methods: Methods) -> AsyncIterator[ProbeClient]:
    async with serving(authenticator, methods, Limits(calls=2, streams=2)) as client:
        yield client


async def test_report_errors_sends_code_and_message(client: ProbeClient) -> None:
    assert await failure(client.call("GetNothing")) == (
        grpc.StatusCode.NOT_FOUND,
        "NOT_FOUND",
        "no such thing: give another name",
    )


@pytest.mark.parametrize("method", ["GetBug", "GetTimeoutBug"])
async def test_report_errors_neither_sends_nor_logs_the_text_of_a_bug(
    client: ProbeClient, method: str
) -> None:
    with capture_logs() as logs:
        code, reason, message = await failure(
            client.call(method, StringValue(value="canary").SerializeToString())
        )

    assert (code, reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    [entry] = logs
    assert (entry["event"], entry["method"]) == ("bug", f"/tests.Service/{method}")
    assert entry["file"] == probe.__file__
    assert "canary" not in message + repr(logs)


async def test_report_errors_tells_that_a_method_is_not_implemented(client: ProbeClient) -> None:
    with capture_logs() as logs, pytest.raises(grpc.aio.AioRpcError) as refused:
        await client.call("GetUnimplemented")

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert refused.value.details() == (
        "this method is not implemented: see the methods in the protos"
    )
    assert not logs


@pytest.mark.parametrize(
    "metadata",
    [(), (("authorization", "Bearer rgk_other"),)],
    ids=["no credential", "unknown API key"],
)
async def test_identify_caller_rejects_unknown_callers(client: ProbeClient, metadata: Any) -> None:
    expected = (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert (await failure(client.call("GetLength", metadata=metadata)))[:2] == expected
    assert (await failure(client.stream("Watch", metadata=metadata)))[:2] == expected


async def test_take_slot_counts_streams_and_calls_separately(
    client: ProbeClient, methods: Methods
) -> None:
    streams = [client.stream("Watch") for _ in range(2)]
    for stream in streams:
        await stream.read()

    expected = (grpc.StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")
    assert (await failure(client.stream("Watch")))[:2] == expected
    assert (await client.call("GetLength")).value == "4"

    streams[0].cancel()
    await occurred(methods.left)
    assert (await client.stream("Watch").read()).value == "word"


async def test_take_slot_tells_a_rejected_client_when_to_retry(
    authenticator: Authenticator, methods: Methods
) -> None:
    async with serving(authenticator, methods, Limits(calls=1)) as client:
        call = client.call("GetForever")
        await occurred(methods.entered)
        rejected = client.call("GetLength")
        assert (await failure(rejected))[1] == "THROTTLED"

        retry = error_details_pb2.RetryInfo()
        assert (await rpc_status.aio.from_call(rejected)).details[1].Unpack(retry)
        assert retry.retry_delay.ToMilliseconds() == 1000
        call.cancel()


async def test_limit_time_ends_a_call_without_deadline(
    authenticator: Authenticator, methods: Methods
) -> None:
    async with serving(authenticator, methods, timings=Timings(read_s=0.01)) as client:
        code, reason, _ = await failure(client.call("GetForever", timeout=None))

    assert (code, reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert methods.left.is_set()


async def test_limit_time_ends_a_call_at_its_clients_deadline(
    client: ProbeClient, methods: Methods
) -> None:
    call = client.call("GetForever", timeout=0.05)

    with pytest.raises(grpc.aio.AioRpcError):
        await call
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # On a busy machine, the deadline may pass before the method runs.
    if methods.entered.is_set():
        await occurred(methods.left)


async def test_limit_time_ends_a_stream_at_its_clients_deadline(
    client: ProbeClient, methods: Methods
) -> None:
    stream = client.stream("Watch", timeout=0.05)

    with capture_logs() as logs:
        with pytest.raises(grpc.aio.AioRpcError):
            _ = [message async for message in stream]
        if methods.entered.is_set():
            await occurred(methods.left)
    assert await stream.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert not logs


async def test_recheck_credential_ends_a_stream_of_a_revoked_key(
    methods: Methods, caller: Caller
) -> None:
    key = ApiKey(hashlib.sha256(API_KEY.encode()).hexdigest(), caller)
    authenticator = Authenticator([key], timings=CallerTimings(revalidate_s=0.01))
    async with serving(authenticator, methods) as client:
        call = client.stream("Watch")
        await call.read()
        authenticator._api_keys = ApiKeys(())
        assert (await failure(call))[0] is grpc.StatusCode.PERMISSION_DENIED
        await occurred(methods.left)


@pytest.mark.parametrize(
    "raw", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe"], ids=["not a message", "not UTF-8"]
)
async def test_decode_request_rejects_bytes_that_are_no_message(
    client: ProbeClient, raw: bytes
) -> None:
    assert (await failure(client.call("GetLength", raw)))[:2] == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_INPUT",
    )


@pytest.mark.parametrize("method", ["GetLength", "Watch"])
async def test_decode_request_rejects_a_call_without_a_message(
    authenticator: Authenticator, methods: Methods, method: str
) -> None:
    async with serving(authenticator, methods, Limits(calls=1, streams=1)) as client:
        for _ in range(3):
            code, reason, message = await failure(client.without_message(method))

            assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
            assert message == "the call has no message: send one"


@pytest.mark.parametrize("method", ["GetLength", "Watch"])
async def test_decode_request_does_not_wait_without_end_for_a_message(
    authenticator: Authenticator, methods: Methods, method: str
) -> None:
    async with serving(authenticator, methods, timings=Timings(read_s=0.01)) as client:
        call = client.without_message(method, is_ended=False)

        assert (await failure(call))[0] is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_charge_caller_reports_the_cost_in_the_trailers(client: ProbeClient) -> None:
    call = client.call("GetLength")
    await call
    trailers = dict(await call.trailing_metadata())
    assert "requested=35, actual=10" in trailers["cost"]


async def test_charge_caller_keeps_the_full_cost_of_a_stream(client: ProbeClient) -> None:
    call = client.stream("WatchNothing")
    await call.read()
    await failure(call)
    trailers = dict(await call.trailing_metadata())
    assert "requested=35, actual=35" in trailers["cost"]
