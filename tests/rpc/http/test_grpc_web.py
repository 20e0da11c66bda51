import base64

import pytest
from google.rpc import status_pb2

from gateway.core.errors import NotFound
from gateway.rpc.errors import error_to_pb
from gateway.rpc.http.codecs import CODECS
from gateway.rpc.http.grpc_web import GrpcWeb, GrpcWebText
from tests.rpc.http.probe import frame, frames
from tests.rpc.http.test_bodies import pieces

WEB = GrpcWeb("application/grpc-web", CODECS["proto"])
TEXT = GrpcWebText("application/grpc-web-text", CODECS["proto"])


def trailers_of(end: bytes) -> dict[str, str]:
    [(flags, block)] = frames(end)
    assert flags == 0x80
    assert block.endswith(b"\r\n")
    return dict(line.split(": ", 1) for line in block.decode("ascii").split("\r\n")[:-1])


def test_a_call_ends_with_its_trailers() -> None:
    assert trailers_of(WEB.end(None, [("cost", "actual=1")])) == {
        "cost": "actual=1",
        "grpc-status": "0",
    }


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        ("no such room: give another", "no such room: give another"),
        ("50 % of\r\n☺", "50 %25 of%0D%0A%E2%98%BA"),
        (" !\"#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",) * 2,
    ],
)
def test_the_message_of_an_error_is_percent_encoded(message: str, encoded: str) -> None:
    trailers = trailers_of(WEB.end(status_pb2.Status(code=5, message=message), ()))
    assert trailers == {"grpc-status": "5", "grpc-message": encoded}


def test_the_details_of_an_error_are_its_whole_status() -> None:
    status = error_to_pb(NotFound("no such room: give another"))

    details = trailers_of(WEB.end(status, ()))["grpc-status-details-bin"]
    assert "=" not in details
    assert status_pb2.Status.FromString(base64.b64decode(details + "==")) == status


async def test_the_text_variant_is_base64() -> None:
    assert TEXT.frame(b"word") == base64.b64encode(WEB.frame(b"word"))
    assert TEXT.end(None, ()) == base64.b64encode(WEB.end(None, ()))
    assert await TEXT.read(pieces(base64.b64encode(frame(b"word")))) == b"word"


def test_the_timeout_is_grpcs() -> None:
    WEB.check_version({})
    assert WEB.timeout_s({}) is None
    assert WEB.timeout_s({"grpc-timeout": "20m"}) == 0.02
