"""The messages of the conformance suite, compiled from its protos."""

import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml
from google.protobuf import any_pb2, descriptor_pb2, empty_pb2, struct_pb2
from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc  # type: ignore[import-untyped]

HERE: Final = Path(__file__).parent
PACKAGE: Final = "connectrpc.conformance.v1"
IMPORTED: Final = (any_pb2, empty_pb2, struct_pb2)
"""Modules that the pool needs before it gets the suite's files."""


@cache
def _pool() -> Any:
    protos = sorted((HERE / "protos").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "descriptors"
        includes = [f"-I{HERE / 'protos'}", f"-I{files('grpc_tools') / '_proto'}"]
        assert not protoc.main(["", *includes, f"--descriptor_set_out={path}", *map(str, protos)])
        compiled = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    # A file comes after those that it imports.
    for file in compiled.file:
        Default().Add(file)
    return Default()


def message_class(name: str) -> type[Message]:
    """Returns the class of a message of the suite, such as UnaryRequest."""
    return GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def new(name: str, /, **fields: Any) -> Any:
    return message_class(name)(**fields)


def service() -> Any:
    """Returns the descriptor of ConformanceService."""
    return _pool().FindServiceByName(f"{PACKAGE}.ConformanceService")


def suites() -> Iterator[Any]:
    """Yields every TestSuite."""
    for path in sorted((HERE / "suites").glob("*.yaml")):
        yield ParseDict(yaml.safe_load(path.read_text()), message_class("TestSuite")())


def unpacked(packed: any_pb2.Any) -> Any:
    message = message_class(packed.TypeName().rpartition(".")[2])()
    assert packed.Unpack(message)
    return message


def packed(message: Message) -> any_pb2.Any:
    result = any_pb2.Any()
    result.Pack(message)
    return result
