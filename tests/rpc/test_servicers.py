from pathlib import Path

from gateway.rpc.calls import CallKind
from gateway.rpc.servicers import SERVICE_NAMES, Servicers

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
