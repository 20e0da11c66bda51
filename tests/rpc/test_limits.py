import pytest

from gateway.rpc.limits import Timings

SERVICE = "/rooms_gateway.v1.RoomService"


@pytest.mark.parametrize(
    ("method", "remaining_s", "expected_s"),
    [
        ("GetRoom", None, 5),
        ("BatchGetRooms", None, 5),
        ("ListRooms", 30, 5),
        ("GetRoom", 1.5, 1.5),
        ("ExplainToken", None, 5),
        ("CreateRoom", None, 10),
        ("MintAccessToken", None, 10),
        ("CompleteRoom", 30, 10),
        ("CreateRoom", 0, 0),
    ],
)
def test_a_call_may_take_as_long_as_client_and_kind_allow(
    method: str, remaining_s: float | None, expected_s: float
) -> None:
    assert Timings().call_limit_s(f"{SERVICE}/{method}", remaining_s) == expected_s


@pytest.mark.parametrize("method", ["GetRoom", "CreateRoom"])
def test_no_call_takes_longer_than_the_configured_deadline(method: str) -> None:
    assert Timings(deadline_s=3).call_limit_s(f"{SERVICE}/{method}", 60) == 3
