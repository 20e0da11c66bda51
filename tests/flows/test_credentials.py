"""Credentials are read alike on every face: names in any case, and each sent once."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp
import grpc
import pytest
from multidict import CIMultiDict

from gateway.rpc.v1 import quota_service_pb2 as pb
from gateway.rpc.v1 import quota_service_pb2_grpc as stubs
from tests.flows.test_connect import base_of
from tests.running import RESPONSE_TIMEOUT_S, Gateway, new_sid

Entries = list[tuple[str, str]]

QUERY = {"query": "{ __typename }"}
GET_QUOTA = "/rooms_gateway.v1.QuotaService/GetQuota"


async def status_of(gateway: Gateway, headers: Entries, **request: Any) -> int:
    request = {"method": "POST", "url": gateway.ready["graphql"], **request}
    async with gateway.http.request(headers=CIMultiDict(headers), **request) as response:
        return response.status


async def by_graphql_post(gateway: Gateway, headers: Entries) -> int:
    return await status_of(gateway, headers, json=QUERY)


async def by_graphql_get(gateway: Gateway, headers: Entries) -> int:
    return await status_of(gateway, headers, method="GET", params=QUERY)


async def by_event_stream(gateway: Gateway, headers: Entries) -> int:
    return await status_of(gateway, [*headers, ("Accept", "text/event-stream")], json=QUERY)


async def by_websocket(gateway: Gateway, headers: Entries) -> int:
    """The status is 401 for a socket that is closed with 4401 too."""
    try:
        async with gateway.http.ws_connect(
            gateway.ready["ws"], protocols=("graphql-transport-ws",), headers=CIMultiDict(headers)
        ) as socket:
            await socket.send_json({"type": "connection_init"})
            return await init_status(socket)
    except aiohttp.WSServerHandshakeError as error:
        return error.status


async def init_status(socket: aiohttp.ClientWebSocketResponse) -> int:
    frame = await socket.receive(RESPONSE_TIMEOUT_S)
    return 200 if frame.type is aiohttp.WSMsgType.TEXT else int(frame.data) - 4000


async def by_connection_init(gateway: Gateway, headers: Entries) -> int:
    payload = ",".join(f'"{name}":"{value}"' for name, value in headers)
    async with gateway.http.ws_connect(
        gateway.ready["ws"], protocols=("graphql-transport-ws",)
    ) as socket:
        await socket.send_str(f'{{"type":"connection_init","payload":{{{payload}}}}}')
        return await init_status(socket)


async def by_connect(gateway: Gateway, headers: Entries) -> int:
    return await status_of(gateway, headers, url=base_of(gateway) + GET_QUOTA, json={})


async def by_connect_get(gateway: Gateway, headers: Entries) -> int:
    query = {"encoding": "json", "message": "{}"}
    url = base_of(gateway) + GET_QUOTA
    return await status_of(gateway, headers, method="GET", url=url, params=query)


async def by_grpc_web(gateway: Gateway, headers: Entries) -> int:
    all_headers = CIMultiDict([*headers, ("Content-Type", "application/grpc-web+proto")])
    url = base_of(gateway) + GET_QUOTA
    async with gateway.http.post(url, data=bytes(5), headers=all_headers) as response:
        return 401 if b"grpc-status: 16" in await response.read() else response.status


async def by_grpc(gateway: Gateway, headers: Entries) -> int:
    metadata = [(name.lower(), value) for name, value in headers]
    async with gateway.channel() as channel:
        try:
            await stubs.QuotaServiceStub(channel).GetQuota(pb.GetQuotaRequest(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return 401 if error.code() is grpc.StatusCode.UNAUTHENTICATED else 500
    return 200


FACES = (
    by_graphql_post,
    by_graphql_get,
    by_event_stream,
    by_websocket,
    by_connection_init,
    by_connect,
    by_connect_get,
    by_grpc_web,
    by_grpc,
)


def bearer(key: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {key}"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_authorization_is_read_in_any_case(
    gateway: Gateway, face: Callable[..., Any], name: str, scheme: str
) -> None:
    key = gateway.ready["api_key"]
    assert await face(gateway, [(name, f"{scheme} {key}")]) == 200


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ["X-API-Key", "x-api-key"])
async def test_an_api_key_is_read_in_any_case(
    gateway: Gateway, face: Callable[..., Any], name: str
) -> None:
    assert await face(gateway, [(name, gateway.ready["api_key"])]) == 200


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    "entries",
    [
        lambda key: [bearer(key), bearer(key)],
        lambda key: [bearer(key), bearer("rgk_other")],
        lambda key: [bearer("rgk_other"), bearer(key)],
        lambda key: [("X-API-Key", key), ("X-API-Key", key)],
        lambda key: [("X-API-Key", key), ("X-API-Key", "rgk_other"), bearer(key)],
    ],
    ids=["equal", "valid first", "valid last", "X-API-Key", "beside Authorization"],
)
async def test_a_credential_that_is_sent_twice_is_unauthenticated(
    gateway: Gateway, face: Callable[..., Any], entries: Callable[[str], Entries]
) -> None:
    assert await face(gateway, entries(gateway.ready["api_key"])) == 401


@pytest.mark.parametrize("face", [by_graphql_post, by_websocket, by_connect, by_grpc_web])
async def test_an_origin_that_is_sent_twice_is_refused(
    gateway: Gateway, face: Callable[..., Any]
) -> None:
    origins = [("Origin", base_of(gateway)), ("Origin", "https://elsewhere.example")]
    assert await face(gateway, [bearer(gateway.ready["api_key"]), *origins]) == 400


async def test_a_callback_with_two_signatures_is_refused(gateway: Gateway) -> None:
    fields = gateway.callback_fields("room-ended", new_sid())
    headers = CIMultiDict(
        [
            ("X-Twilio-Signature", gateway.signature(fields)),
            ("X-Twilio-Signature", "another"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ]
    )
    async with gateway.http.post(
        gateway.ready["callbacks"], data=urlencode(fields), headers=headers
    ) as response:
        assert response.status == 400
