"""The Python stubs as a client installs them: from their wheel, without the server."""

import asyncio
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.running import RESPONSE_TIMEOUT_S, Gateway, new_name

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "clients/python-stubs"
SERVER_COPY = "gateway.rpc.v1"
CLIENT_STUBS = "rooms_gateway.v1"

APPLICATION = """
import sys
from importlib.resources import files

import gateway  # the application's own
import grpc

from rooms_gateway.v1 import room_service_pb2 as pb
from rooms_gateway.v1.room_service_pb2_grpc import RoomServiceStub

address, key, name = sys.argv[1:]
config = files("rooms_gateway.v1").joinpath("service_config.json").read_text()
with grpc.insecure_channel(address, [("grpc.service_config", config)]) as channel:
    request = pb.CreateRoomRequest(unique_name=name)
    room = RoomServiceStub(channel).CreateRoom(
        request, metadata=[("authorization", f"Bearer {key}")]
    ).room
print(gateway.OWNER, room.unique_name, "gateway.rpc" in sys.modules)
"""

BOTH = """
import importlib
import sys

first, second = (importlib.import_module(f"{name}.room_pb2") for name in sys.argv[1:])
assert first.__name__ != second.__name__
room = second.Room.FromString(first.Room(sid="RM1").SerializeToString())
assert room == first.Room(sid="RM1")
assert first.Room.DESCRIPTOR is second.Room.DESCRIPTOR
for name in sys.argv[1:]:
    stub = importlib.import_module(f"{name}.room_service_pb2_grpc").RoomServiceStub
    assert stub.__module__.startswith(name)
print("both")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels), cwd=STUBS)
    [wheel] = wheels.glob("*.whl")
    options = ("--quiet", "--no-index", "--no-deps", "--no-compile", "--target", str(target))
    run("-m", "pip", "install", *options, str(wheel), cwd=wheels)
    return target


def run(*arguments: str, cwd: Path, **environment: str) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


async def test_an_application_with_its_own_package_named_gateway_calls_the_gateway(
    gateway: Gateway, installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway/__init__.py").write_text('OWNER = "application"\n')
    path = os.pathsep.join((str(tmp_path), str(installed)))
    name = new_name()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", APPLICATION, gateway.ready["grpc"], gateway.ready["api_key"], name,
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await asyncio.wait_for(process.communicate(), RESPONSE_TIMEOUT_S)
    assert printed.decode().split() == ["application", name, "False"]


@pytest.mark.parametrize(
    "order", [(SERVER_COPY, CLIENT_STUBS), (CLIENT_STUBS, SERVER_COPY)], ids="-".join
)
def test_the_stubs_and_the_server_fit_into_one_process(
    installed: Path, tmp_path: Path, order: tuple[str, str]
) -> None:
    path = os.pathsep.join((str(ROOT), str(installed)))
    assert run("-c", BOTH, *order, cwd=tmp_path, PYTHONPATH=path) == "both\n"


def test_the_wheel_has_type_information_and_all_data(installed: Path) -> None:
    assert (installed / "rooms_gateway/py.typed").is_file()
    assert (installed / "rooms_gateway/v1/room_pb2.pyi").is_file()
    assert (installed / "rooms_gateway/v1/service_config.json").is_file()
    [licence] = installed.glob("*.dist-info/licenses/LICENSE")
    assert licence.read_text() == (ROOT / "LICENSE").read_text()


def test_the_stubs_have_the_version_and_the_bounds_of_the_server() -> None:
    server, stubs = (
        tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        for folder in (ROOT, STUBS)
    )
    assert stubs["version"] == server["version"]
    extras = [name for extra in stubs["optional-dependencies"].values() for name in extra]
    assert {*stubs["dependencies"], *extras} <= set(server["dependencies"])
