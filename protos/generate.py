"""Compiles the protos into Python code below the folder DIR.

`make proto` writes below the repository's root; a test compares with another folder.

Usage: python protos/generate.py DIR
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
THIRD_PARTY = PROTOS / "third_party"  # its Python comes with googleapis-common-protos
WELL_KNOWN = files("grpc_tools") / "_proto"  # google/protobuf/timestamp.proto and its like


def generate(out: Path) -> None:
    paths = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "gateway").rglob("*.proto"))
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
