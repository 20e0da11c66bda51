"""Writes the code that is generated from the protos below the folder ROOT.

- `clients/python-stubs/rooms_gateway/v1`: the stubs that clients install, and the
  service config that retries calls.
- `gateway/rpc/v1`: the server's own copy. Its modules import each other there. The
  descriptors are the same, so both fit into one process.
  The generator of grpcio-tools writes both: also the methods that raise
  NotImplementedError, which a servicer overrides, and its check of grpcio's version by
  `grpc._utilities`.
- `gateway/gql/schema/texts.json`: the comments, for the descriptions of the GraphQL
  schema.

`make proto` writes below the repository's root; a test compares with another folder.

Usage: python protos/generate.py ROOT
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
    MethodOptions,
)
from grpc_tools import protoc  # type: ignore[import-untyped]  # has no stubs

PROTOS = Path(__file__).parent
THIRD_PARTY = PROTOS / "third_party"  # its Python comes with googleapis-common-protos
WELL_KNOWN = files("grpc_tools") / "_proto"  # google/protobuf/timestamp.proto and its like

PACKAGE = "rooms_gateway.v1"
STUBS = Path("clients/python-stubs")
SERVER_COPY = Path("gateway/rpc/v1")
SERVICE_CONFIG = STUBS / PACKAGE.replace(".", "/") / "service_config.json"
TEXTS = Path("gateway/gql/schema/texts.json")
# A generated module names its package in imports, and as the module of its classes.
_PACKAGE_NAME = re.compile(
    rf"^(from |_builder\.\w+\(DESCRIPTOR, '){re.escape(PACKAGE)}(?=[. ])", re.MULTILINE
)


def generate(root: Path) -> None:
    stubs, server_copy = root / STUBS, root / SERVER_COPY
    texts = root / TEXTS
    for folder in (stubs, server_copy, texts.parent):
        folder.mkdir(parents=True, exist_ok=True)
    paths = _paths()
    services = [path for path in paths if path.endswith("_service.proto")]
    _run(f"--python_out={stubs}", f"--pyi_out={stubs}", *paths)
    _run(f"--grpc_python_out={stubs}", *services)
    for path in sorted((stubs / PACKAGE.replace(".", "/")).glob("*_pb2*.py*")):
        text = _PACKAGE_NAME.sub(r"\1gateway.rpc.v1", path.read_text())
        (server_copy / path.name).write_text(text)
    (root / SERVICE_CONFIG).write_text(_service_config())
    comments = {name: text for file in descriptors() for name, text in _comments(file)}
    texts.write_text(json.dumps(comments, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def _service_config() -> str:
    """A gRPC service config that retries the methods without side effects.

    https://grpc.io/docs/guides/service-config/
    """
    methods = [
        {"service": f"{PACKAGE}.{service.name}", "method": method.name}
        for file in descriptors()
        for service in file.service
        for method in service.method
        if method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    ]
    retry_policy = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {
        "methodConfig": [{"name": methods, "retryPolicy": retry_policy}],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    }
    text = json.dumps(config, indent=2)
    # One line for each method.
    return re.sub(r'\{\s+("service": .+)\s+("method": .+)\s+\}', r"{\1 \2}", text) + "\n"


def descriptors() -> list[FileDescriptorProto]:
    """The protos with their comments (source info)."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "descriptors"
        _run(f"--descriptor_set_out={out}", "--include_source_info", *_paths())
        return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def _paths() -> list[str]:
    folder = PROTOS / PACKAGE.replace(".", "/")
    return sorted(str(path.relative_to(PROTOS)) for path in folder.glob("*.proto"))


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Names such as `Room`, `Room.sid` and `RoomService.GetRoom`, and their comments.

    The lines of a paragraph are joined.
    """
    for location in file.source_code_info.location:
        if location.leading_comments:
            name = _name(file, list(location.path))
            if name:
                paragraphs = re.split(r"\n\s*\n", location.leading_comments)
                yield name, "\n\n".join(" ".join(part.split()) for part in paragraphs).strip()


def _name(file: FileDescriptorProto, path: list[int]) -> str:
    """The name of the element at a path of source info; empty for other places."""
    element: Any = file
    names = []
    while len(path) >= 2:
        number, index, *path = path
        field = element.DESCRIPTOR.fields_by_number[number]
        if not field.is_repeated or field.message_type is None:
            return ""
        element = getattr(element, field.name)[index]
        if not hasattr(element, "name"):
            return ""
        names.append(element.name)
    return "" if path else ".".join(names)


def _run(*arguments: str) -> None:
    status = protoc.main(
        ["protoc", f"-I{PROTOS}", f"-I{THIRD_PARTY}", f"-I{WELL_KNOWN}", *arguments]
    )
    if status:
        sys.exit(status)


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
