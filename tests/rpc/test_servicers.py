from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pool import Default
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from gateway.rpc.calls import CallKind
from gateway.rpc.health import HealthService
from gateway.rpc.servicers import SERVICE_NAMES, SERVICES, Servicers

ROOT = Path(__file__).parents[2]


def test_every_service_in_the_protos_is_served() -> None:
    services = (ROOT / "protos/rooms_gateway/v1").glob("*_service.proto")
    words = [path.stem.split("_") for path in services]

    assert {"rooms_gateway.v1." + "".join(map(str.title, parts)) for parts in words} == set(
        SERVICE_NAMES
    )


def test_every_method_has_a_path() -> None:
    methods = Servicers({}).methods()

    assert {path.split("/")[1] for path in methods} == set(SERVICE_NAMES)
    streams = {path for path, method in methods.items() if method.kind is CallKind.STREAM}
    assert {path.split("/")[2] for path in streams} == {"WatchRoom", "WatchRoomEvents"}


@pytest.mark.parametrize(
    ("name", "servicer"),
    [
        *zip(SERVICE_NAMES, (servicer for servicer, _ in SERVICES), strict=True),
        (health.SERVICE_NAME, HealthService),
        (reflection.SERVICE_NAME, reflection.aio.ReflectionServicer),
    ],
)
def test_a_servicer_leaves_no_method_to_its_generated_base_class(name: str, servicer: Any) -> None:
    methods = [method.name for method in Default().FindServiceByName(name).methods]

    inherited = [
        method for method in methods if getattr(servicer, method).__module__.endswith("_pb2_grpc")
    ]
    assert methods
    assert not inherited
