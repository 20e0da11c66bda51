"""The table of routes, and what is sent to them."""

import pytest

from tests.sandbox.conftest import Api, refused


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/Rooms/RM0", (404, 20404)),
        ("GET", "/v1/Rooms/RM0/Participants", (404, 20404)),
        ("GET", "/v1/Rooms/", (404, 20404)),
        ("GET", "/v1/Nothing", (404, 20404)),
        ("GET", "/v2/Rooms", (404, 20404)),
        ("GET", "/", (404, 20404)),
        ("DELETE", "/v1/Rooms/RM0", (405, 20004)),
        ("PUT", "/v1/Rooms", (405, 20004)),
        ("POST", "/v1/Rooms/RM0/Participants", (405, 20004)),
    ],
)
async def test_what_is_not_there_is_refused_in_twilios_shape(
    api: Api, method: str, path: str, expected: tuple[int, int]
) -> None:
    reply = await api.raw(method, path)

    assert refused(reply) == expected
    assert reply.body["status"] == reply.status
    assert reply.body["more_info"] == f"https://www.twilio.com/docs/errors/{expected[1]}"
