import base64
import json

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gateway.core.errors import InvalidArgument, Throttled
from gateway.rpc.errors import StatusError, error_to_pb
from gateway.rpc.http.codecs import CODECS
from gateway.rpc.http.connect import (
    HTTP_STATUS,
    ConnectGet,
    ConnectStream,
    ConnectUnary,
    error_response,
    error_to_json,
)
from tests.rpc.http.probe import frames
from tests.rpc.http.test_bodies import pieces

UNARY = ConnectUnary("application/json", CODECS["json"])
STREAM = ConnectStream("application/connect+json", CODECS["json"])
THROTTLED = error_to_pb(Throttled("too much: wait", retry_after_ms=1500))
COST = (("cost", "actual=1"), ("x", "1"), ("x", "2"))


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_every_code_has_an_http_status_and_a_name(code: grpc.StatusCode) -> None:
    response = error_response(status_pb2.Status(code=code.value[0], message="why: what"))

    assert response.status == HTTP_STATUS[code] >= 400
    name = "canceled" if code is grpc.StatusCode.CANCELLED else code.name.lower()
    assert json.loads(response.body) == {"code": name, "message": "why: what"}


def test_an_error_has_its_details() -> None:
    info, retry = error_to_json(THROTTLED)["details"]

    assert (info["type"], retry["type"]) == ("google.rpc.ErrorInfo", "google.rpc.RetryInfo")
    assert "=" not in retry["value"]
    message = error_details_pb2.RetryInfo.FromString(base64.b64decode(retry["value"] + "=="))
    assert message.retry_delay.ToMilliseconds() == 1500
    assert retry["debug"] == {"retryDelay": "1.500s"}


def test_a_unary_response_has_its_trailers_as_headers() -> None:
    response = UNARY.respond(b"{}", None, COST)
    assert (response.status, response.body) == (200, b"{}")
    assert response.trailers == (
        ("trailer-cost", "actual=1"),
        ("trailer-x", "1"),
        ("trailer-x", "2"),
    )

    failed = UNARY.respond(None, THROTTLED, COST)
    assert (failed.status, failed.media_type) == (429, "application/json")
    assert failed.trailers == response.trailers
    assert failed.headers == [("Retry-After", "2")]


def test_a_stream_ends_with_its_trailers_and_its_error() -> None:
    assert STREAM.frame(b"{}") == b"\0\0\0\0\x02{}"
    assert frames(STREAM.end(None, ())) == [(2, b"{}")]
    [(flags, end)] = frames(STREAM.end(THROTTLED, COST))
    assert flags == 2
    assert json.loads(end) == {
        "error": error_to_json(THROTTLED),
        "metadata": {"cost": ["actual=1"], "x": ["1", "2"]},
    }


@pytest.mark.parametrize("protocol", [UNARY, STREAM])
def test_version_and_timeout_are_optional(protocol: ConnectUnary) -> None:
    protocol.check_version({})
    protocol.check_version({"Connect-Protocol-Version": "1"})
    with pytest.raises(InvalidArgument, match="must be 1"):
        protocol.check_version({"Connect-Protocol-Version": "2"})
    assert protocol.timeout_s({}) is None
    assert protocol.timeout_s({"Connect-Timeout-Ms": "20"}) == 0.02


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"message": "{}"}, b"{}"),
        ({"message": "-_8", "base64": "1"}, b"\xfb\xff"),
        ({"message": "-_8=", "base64": "1"}, b"\xfb\xff"),
        ({"message": "", "base64": "1"}, b""),
    ],
)
async def test_get_has_the_message_in_the_query(query: dict[str, str], message: bytes) -> None:
    assert await ConnectGet(query, CODECS["json"]).read(pieces()) == message


@pytest.mark.parametrize(
    "query", [{}, {"message": "?/8", "base64": "1"}, {"message": "a", "base64": "1"}]
)
async def test_get_without_a_message_is_rejected(query: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="message is"):
        await ConnectGet(query, CODECS["json"]).read(pieces())


def test_get_cannot_be_compressed() -> None:
    ConnectGet({"compression": "identity"}, CODECS["json"]).check_version({})
    with pytest.raises(StatusError, match="compression must be identity"):
        ConnectGet({"compression": "gzip"}, CODECS["json"]).check_version({})
