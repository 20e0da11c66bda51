"""Every status that comes before a call, and the calls of both protocols."""

import base64
import json
from urllib.parse import urlencode

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2, status_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.callers import Caller
from gateway.rpc.http.media_types import PROTOCOLS
from tests.rpc.http.probe import ORIGIN, WORD, HttpProbe, decoded, frame, frames
from tests.rpc.probe import Methods, occurred


async def test_connect_answers_json_with_json(
    probe: HttpProbe, methods: Methods, caller: Caller
) -> None:
    status, body, headers = await probe.unary("GetLength")

    assert (status, body) == (200, "4")
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert "requested=35, actual=10" in headers["Cost"]
    assert headers["RateLimit-Policy"]
    assert methods.callers == [caller]


async def test_connect_answers_protobuf_with_protobuf(probe: HttpProbe) -> None:
    async with probe.request("GetLength", WORD, "application/proto") as response:
        assert (response.status, response.content_type) == (200, "application/proto")
        assert StringValue.FromString(await response.read()).value == "4"


@pytest.mark.parametrize(
    "query",
    [
        {"message": '"word"', "encoding": "json"},
        {"message": base64.urlsafe_b64encode(b'"word"').decode(), "encoding": "json", "base64": 1},
        {
            "message": base64.urlsafe_b64encode(WORD).rstrip(b"=").decode(),
            "encoding": "proto",
            "base64": 1,
            "connect": "v1",
        },
    ],
    ids=["JSON", "JSON in base64", "protobuf in base64 without padding"],
)
async def test_a_method_without_side_effects_can_be_called_by_get(
    probe: HttpProbe, query: dict[str, str]
) -> None:
    path = "GetLength?" + urlencode(query)
    async with probe.request(path, None, verb="GET") as response:
        body = await response.read()
    assert response.status == 200
    assert body == b'"4"' or StringValue.FromString(body).value == "4"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"message": '"word"'}, 415),
        ({"message": '"word"', "encoding": "xml"}, 415),
        ({"encoding": "json"}, 400),
        ({"message": "?", "encoding": "json", "base64": 1}, 400),
        ({"message": '"word"', "encoding": "json", "connect": "v2"}, 400),
    ],
)
async def test_a_get_with_invalid_parameters_is_rejected(
    probe: HttpProbe, query: dict[str, str], status: int
) -> None:
    async with probe.request("GetLength?" + urlencode(query), None, verb="GET") as response:
        assert response.status == status
        assert (await response.json())["message"]


async def test_a_connect_stream_ends_with_its_error_and_cost(probe: HttpProbe) -> None:
    first, end = await probe.stream("WatchNothing")

    assert first == "first"
    assert (end["error"]["code"], end["error"]["message"]) == (
        "not_found",
        "no more: watch something else",
    )
    assert "requested=35, actual=35" in end["metadata"]["cost"][0]


@pytest.mark.parametrize(
    "media_type", [name for name in PROTOCOLS if "grpc-web" in name and "json" not in name]
)
async def test_grpc_web_answers_in_its_media_type(probe: HttpProbe, media_type: str) -> None:
    is_text = "text" in media_type
    body = base64.b64encode(frame(WORD)) if is_text else frame(WORD)
    async with probe.request("GetLength", body, media_type) as response:
        assert (response.status, response.content_type) == (200, media_type)
        data = await response.read()
    if is_text:
        data = decoded(data)
    (flags, message), (last_flags, trailers) = frames(data)
    assert (flags, StringValue.FromString(message).value) == (0, "4")
    assert last_flags == 0x80
    assert b"grpc-status: 0\r\n" in trailers
    assert b"cost: requested=35, actual=10" in trailers


async def test_grpc_web_has_the_error_in_its_trailers(probe: HttpProbe) -> None:
    async with probe.request("WatchNothing", frame(WORD), "application/grpc-web+proto") as response:
        assert response.status == 200
        message, (flags, trailers) = frames(await response.read())
    assert StringValue.FromString(message[1]).value == "first"
    assert flags == 0x80
    fields = dict(line.split(": ", 1) for line in trailers.decode().splitlines())
    assert (fields["grpc-status"], fields["grpc-message"]) == (
        "5",
        "no more: watch something else",
    )
    details = base64.b64decode(fields["grpc-status-details-bin"] + "==")
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    assert info.reason == "NOT_FOUND"


async def test_an_error_has_details_for_programs_and_for_people(probe: HttpProbe) -> None:
    status, body, _ = await probe.unary("GetNothing")

    assert (status, body["code"], body["message"]) == (
        404,
        "not_found",
        "no such thing: give another name",
    )
    [detail] = body["details"]
    assert detail["type"] == "google.rpc.ErrorInfo"
    info = error_details_pb2.ErrorInfo.FromString(base64.b64decode(detail["value"] + "=="))
    assert info.reason == detail["debug"]["reason"] == "NOT_FOUND"


@pytest.mark.parametrize("method", ["GetBug", "GetTimeoutBug"])
async def test_a_bug_is_internal_without_its_text(probe: HttpProbe, method: str) -> None:
    status, body, _ = await probe.unary(method, b'"canary"')

    assert (status, body["code"]) == (500, "internal")
    assert "canary" not in json.dumps(body)


async def test_an_unknown_caller_is_challenged(probe: HttpProbe) -> None:
    status, body, headers = await probe.unary("GetLength", Authorization="Bearer rgk_other")

    assert (status, body["code"]) == (401, "unauthenticated")
    assert headers["WWW-Authenticate"] == "Bearer"
    [end] = await probe.stream("Watch", Authorization="Bearer rgk_other")
    assert end["error"]["code"] == "unauthenticated"


async def test_an_unknown_method_is_404_and_unimplemented(probe: HttpProbe) -> None:
    status, body, _ = await probe.unary("GetWeather")
    assert (status, body["code"]) == (404, "unimplemented")
    for path in ("/rooms_gateway.v1.WeatherService/Get", "/gateway.rooms.v1.RoomService/GetRoom"):
        async with probe.http.post(probe.base + path, json={}) as response:
            assert (response.status, response.content_type) == (404, "application/json")
            assert (await response.json())["code"] == "unimplemented"
    # HTTP/1.1 has no streams of requests.
    status, body, _ = await probe.unary("Upload")
    assert (status, body["code"]) == (404, "unimplemented")


@pytest.mark.parametrize(
    ("verb", "method", "allowed"),
    [
        ("DELETE", "GetLength", "GET, POST"),
        ("PUT", "GetBug", "POST"),
        ("GET", "GetBug", "POST"),
        ("GET", "Watch", "POST"),
        ("HEAD", "GetLength", "GET, POST"),
    ],
)
async def test_another_http_method_is_405(
    probe: HttpProbe, verb: str, method: str, allowed: str
) -> None:
    async with probe.request(method, None, verb=verb) as response:
        assert (response.status, response.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("method", "content_type"),
    [
        ("GetLength", "text/plain"),
        ("GetLength", "application/xml"),
        ("GetLength", "application/connect+json"),
        ("GetLength", "application/json; charset=latin-1"),
        ("GetLength", "application/grpc"),
        ("Watch", "application/json"),
        ("Watch", "application/grpc-web+xml"),
    ],
)
async def test_another_content_type_is_415(
    probe: HttpProbe, method: str, content_type: str
) -> None:
    async with probe.request(method, b"{}", content_type) as response:
        assert response.status == 415
        assert (await response.json())["code"] == "unknown"
        assert "application/grpc-web" in response.headers["Accept-Post"]


async def test_a_charset_of_utf8_is_accepted(probe: HttpProbe) -> None:
    async with probe.request(
        "GetLength", b'"word"', 'Application/JSON; charset="UTF-8"'
    ) as response:
        assert response.status == 200


async def test_a_page_of_another_origin_is_rejected(probe: HttpProbe) -> None:
    status, body, headers = await probe.unary("GetLength", Origin="https://evil.example")

    assert (status, body["code"]) == (403, "permission_denied")
    assert "Access-Control-Allow-Origin" not in headers


async def test_a_page_of_an_allowed_origin_can_read_every_response(probe: HttpProbe) -> None:
    for method in ("GetLength", "GetNothing", "GetWeather"):
        _, _, headers = await probe.unary(method, Origin=ORIGIN)
        assert headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "grpc-status-details-bin" in headers["Access-Control-Expose-Headers"]
        assert headers["Vary"] == "Origin"
    async with probe.request("GetLength", None, verb="OPTIONS", Origin=ORIGIN) as response:
        assert response.status == 204
        allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"connect-protocol-version", "connect-timeout-ms", "grpc-timeout"} <= set(allowed)


async def test_new_calls_are_rejected_once_the_gateway_stops(probe: HttpProbe) -> None:
    probe.rpc.close()

    status, body, headers = await probe.unary("GetLength")
    assert (status, body["code"]) == (503, "unavailable")
    assert headers["Retry-After"] == "1"


async def test_calls_and_streams_have_the_same_slots_as_grpc(
    probe: HttpProbe, methods: Methods
) -> None:
    async with (
        probe.request("Watch", frame(b'"word"'), "application/connect+json") as first,
        probe.request("Watch", frame(b'"word"'), "application/connect+json") as second,
    ):
        assert {first.status, second.status} == {200}
        [end] = await probe.stream("Watch")
        assert end["error"]["code"] == "resource_exhausted"
        assert (await probe.unary("GetLength"))[0] == 200
        first.close()
        await occurred(methods.left)
    async with probe.request("Watch", frame(b'"word"'), "application/connect+json") as third:
        assert frames(await third.content.readexactly(5 + 6)) == [(0, b'"word"')]


JSON_ERROR_STATUSES = {400, 404, 405, 415, 429, 501, 504}


@given(
    method=st.sampled_from(["GetLength", "GetNothing", "WatchNothing", "Upload", "x"]),
    verb=st.sampled_from(["GET", "POST", "POST", "POST", "PUT"]),
    content_type=st.sampled_from([*PROTOCOLS, "", "application/", "a/b;charset=x"]),
    query=st.dictionaries(
        st.sampled_from(["message", "encoding", "base64", "connect", "compression"]),
        st.sampled_from(["", "1", "json", "proto", "v1", '"a"', "a", "=", "identity", "\x00é"]),
    ),
    headers=st.dictionaries(
        st.sampled_from(
            ["Connect-Timeout-Ms", "grpc-timeout", "Connect-Protocol-Version", "grpc-encoding"]
        ),
        st.sampled_from(["", "1", "0", "10S", "99999999999", "x", "identity", "é"]),
    ),
    body=st.one_of(
        st.binary(max_size=20),
        st.builds(frame, st.binary(max_size=20), st.integers(0, 255)),
        st.binary(max_size=20).map(base64.b64encode),
        st.just(frame(WORD)),
        st.just(b'"word"'),
    ),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_request_is_a_bug(
    probe: HttpProbe,
    method: str,
    verb: str,
    content_type: str,
    query: dict[str, str],
    headers: dict[str, str],
    body: bytes,
) -> None:
    path = f"{method}?{urlencode(query)}"
    async with probe.request(
        path, None if verb == "GET" else body, content_type, verb, **headers
    ) as response:
        data = await response.read()
    assert b"report this bug" not in data
    assert response.status == 200 or response.status in JSON_ERROR_STATUSES
    if response.status != 200:
        assert set(json.loads(data)) >= {"code", "message"}
