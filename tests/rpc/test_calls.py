import pytest

from gateway.rpc.calls import Call, CallKind


@pytest.mark.parametrize(
    ("method", "is_public"),
    [
        ("/grpc.health.v1.Health/Check", True),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", True),
        ("/tests.Service/GetLength", False),
    ],
)
def test_health_and_reflection_are_public(method: str, is_public: bool) -> None:
    carrier: object = None
    assert Call(method, CallKind.UNARY, carrier).is_public is is_public  # type: ignore[arg-type]
