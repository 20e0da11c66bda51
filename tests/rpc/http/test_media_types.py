import pytest

from gateway.rpc.calls import CallKind
from gateway.rpc.http.connect import ConnectGet
from gateway.rpc.http.media_types import media_types, protocol_of_get, protocol_of_post

UNARY = (
    "application/proto, application/json, application/grpc-web+proto, application/grpc-web+json, "
    "application/grpc-web-text+proto, application/grpc-web-text+json, application/grpc-web, "
    "application/grpc-web-text"
)


@pytest.mark.parametrize("kind", [CallKind.UNARY, CallKind.STREAM])
def test_every_media_type_has_its_protocol(kind: CallKind) -> None:
    for name in media_types(kind).split(", "):
        protocol = protocol_of_post(name, kind)
        assert protocol is not None
        assert protocol.media_type == name


def test_unary_calls_and_streams_have_different_media_types_in_connect() -> None:
    assert media_types(CallKind.UNARY) == UNARY
    assert media_types(CallKind.STREAM) == UNARY.replace(
        "application/proto, application/json",
        ("application/connect+proto, application/connect+json"),
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/",
        "json",
        "application/grpc",
        "application/json+proto",
        "application/json; charset=latin-1",
    ],
)
def test_another_media_type_has_none(content_type: str) -> None:
    assert protocol_of_post(content_type, CallKind.UNARY) is None


def test_parameters_and_case_do_not_matter() -> None:
    protocol = protocol_of_post("Application/JSON ;charset=UTF-8; x=y", CallKind.UNARY)
    assert protocol is not None
    assert protocol.media_type == "application/json"


def test_get_names_the_codec_in_the_query() -> None:
    protocol = protocol_of_get({"encoding": "proto"})
    assert isinstance(protocol, ConnectGet)
    assert protocol.media_type == "application/proto"
    assert protocol_of_get({}) is None
    assert protocol_of_get({"encoding": "xml"}) is None
