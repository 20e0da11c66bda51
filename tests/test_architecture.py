"""The house rules that a machine can check."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.core.errors import Code, GatewayError
from gateway.gql.execution import errors as gql_errors
from gateway.gql.execution.graphql_core import print_schema
from gateway.rpc import errors as rpc_errors

ROOT = Path(__file__).parent.parent
GENERATED = ROOT / "gateway/rpc/v1"
TEXTS = "gateway/gql/schema/texts.json"
STUBS = ROOT / "clients/python-stubs/rooms_gateway/v1"


def modules() -> list[Path]:
    found = (path.relative_to(ROOT / "gateway") for path in (ROOT / "gateway").rglob("*.py"))
    return sorted(path for path in found if not (ROOT / "gateway" / path).is_relative_to(GENERATED))


@pytest.mark.parametrize(
    "module",
    [path for path in modules() if path.name not in ("__init__.py", "__main__.py")],
    ids=str,
)
def test_every_module_has_its_test_module(module: Path) -> None:
    assert (ROOT / "tests" / module.parent / f"test_{module.name}").is_file()


def test_imports_point_down() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    "table",
    [gql_errors.GRAPHQL_CODE, gql_errors.HTTP_STATUS, rpc_errors.STATUS],
    ids=["gql", "http", "rpc"],
)
def test_every_code_stands_in_every_table(table: Mapping[Code, object]) -> None:
    assert set(table) == set(Code)


def test_every_code_has_one_error() -> None:
    assert sorted(error.code for error in GatewayError.__subclasses__()) == sorted(Code)


def test_the_printed_schema_is_current() -> None:
    assert (ROOT / "schema/schema.graphql").read_text() == print_schema(), "run `make schema`"


def test_the_generated_protobuf_code_is_current(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "protos/generate.py", tmp_path], check=True)
    for folder in (GENERATED, STUBS):
        fresh = generated_code(tmp_path / folder.relative_to(ROOT))
        assert fresh, "the compiler made nothing"
        assert generated_code(folder) == fresh, "run `make proto`"
    assert (ROOT / TEXTS).read_text() == (tmp_path / TEXTS).read_text(), "run `make proto`"


def generated_code(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*_pb2*.py*")}
