"""Writes the code that is generated from the protos below the folder ROOT.

- `clients/python-stubs/rooms_gateway/v1`: the stubs that clients install.
- `gateway/rpc/v1`: the server's own copy. Its modules import each other there. The
  descriptors are the same, so both fit into one process.

`make proto` writes below the repository's root; a test compares with another folder.

Usage: python protos/generate.py ROOT
"""

import re
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
THIRD_PARTY = PROTOS / "third_party"  # its Python comes with googleapis-common-protos
WELL_KNOWN = files("grpc_tools") / "_proto"  # google/protobuf/timestamp.proto and its like

PACKAGE = "rooms_gateway.v1"
STUBS = Path("clients/python-stubs")
SERVER_COPY = Path("gateway/rpc/v1")
# A generated module names its package in imports, and as the module of its classes.
_PACKAGE_NAME = re.compile(
    rf"^(from |_builder\.\w+\(DESCRIPTOR, '){re.escape(PACKAGE)}(?=[. ])", re.MULTILINE
)


def generate(root: Path) -> None:
    stubs, server_copy = root / STUBS, root / SERVER_COPY
    stubs.mkdir(parents=True, exist_ok=True)
    server_copy.mkdir(parents=True, exist_ok=True)
    _compile(stubs)
    for path in sorted((stubs / PACKAGE.replace(".", "/")).glob("*_pb2*.py*")):
        text = _PACKAGE_NAME.sub(r"\1gateway.rpc.v1", path.read_text())
        (server_copy / path.name).write_text(text)


def _compile(out: Path) -> None:
    folder = PROTOS / PACKAGE.replace(".", "/")
    paths = sorted(str(path.relative_to(PROTOS)) for path in folder.glob("*.proto"))
    services = [path for path in paths if path.endswith("_service.proto")]
    _run(f"--python_out={out}", f"--pyi_out={out}", *paths)
    _run(f"--grpc_python_out={out}", *services)


def _run(*arguments: str) -> None:
    status = protoc.main(
        ["protoc", f"-I{PROTOS}", f"-I{THIRD_PARTY}", f"-I{WELL_KNOWN}", *arguments]
    )
    if status:
        sys.exit(status)


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
