import pytest
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from google.protobuf.type_pb2 import Field
from google.protobuf.wrappers_pb2 import StringValue

from gateway.core.errors import InvalidArgument
from gateway.rpc.http.codecs import CODECS, Codec
from gateway.service.streams.encoded import EncodedMessage

JSON, PROTO = CODECS["json"], CODECS["proto"]
FIELD = Field(type_url="somewhere", number=3)


def test_json_has_names_in_camel_case_and_no_unset_fields() -> None:
    assert JSON.encode(FIELD, Field) == b'{"number": 3, "typeUrl": "somewhere"}'
    assert JSON.decode(b'{"number": 3, "typeUrl": "somewhere"}', Field) == FIELD
    assert JSON.decode(b'{"number": 3, "type_url": "somewhere"}', Field) == FIELD


def test_json_of_an_encoded_message_is_made_once() -> None:
    first, second = (
        JSON.encode(EncodedMessage(FIELD.SerializeToString(), "cursor"), Field) for _ in range(2)
    )
    assert first is second


def test_json_is_utf8() -> None:
    assert JSON.encode(StringValue(value="é"), StringValue) == '"é"'.encode()


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_an_encoded_message_is_what_its_message_is(codec: Codec) -> None:
    encoded = EncodedMessage(FIELD.SerializeToString(), "cursor")

    assert codec.encode(encoded, Field) == codec.encode(FIELD, Field)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"nubmer": 3}',
        b'{"number": "x"}',
        b'{"number": 3, "number": 3}',
        b'{"name": "\xff"}',
        b'{"number": ' + b"9" * 10_000 + b"}",
    ],
)
def test_other_json_is_an_invalid_argument(data: bytes) -> None:
    with pytest.raises(InvalidArgument, match=r"\w[:;] \w"):
        JSON.decode(data, Field)


def test_a_misspelled_field_is_named_with_its_place() -> None:
    with pytest.raises(InvalidArgument, match=r'"nubmer" at "Field". Available Fields'):
        JSON.decode(b'{"nubmer": 3}', Field)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_json_is_an_invalid_argument(opening: bytes) -> None:
    with pytest.raises(InvalidArgument, match="JSON"):
        JSON.decode(b'{"a":' + opening * 10_000, Struct)


def test_bytes_that_are_no_message_are_a_decode_error() -> None:
    assert PROTO.decode(FIELD.SerializeToString(), Field) == FIELD
    with pytest.raises(DecodeError):
        PROTO.decode(b"\xff\xff\xff", Field)
