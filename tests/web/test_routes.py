import pytest

from tests.web.conftest import Served


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("POST", "/callbacks/twilio", 400),
        ("GET", "/callbacks/twilio", 403),
        ("POST", "/graphql", 401),
        ("GET", "/graphql", 401),
        ("GET", "/nothing", 404),
        ("POST", "/healthz", 405),
    ],
)
async def test_every_path_has_its_status(
    served: Served, method: str, path: str, status: int
) -> None:
    async with served.http.request(method, served.base + path) as reply:
        assert reply.status == status


async def test_a_large_body_is_rejected(served: Served) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with served.http.post(
        served.base + "/callbacks/twilio", data=b"x" * 70_000, headers=headers
    ) as reply:
        assert reply.status == 413


@pytest.mark.parametrize("path", ["/healthz", "/graphql", "/", "/nothing"])
async def test_server_header_names_no_version(served: Served, path: str) -> None:
    async with served.http.get(served.base + path) as reply:
        assert reply.headers["Server"] == "rooms-gateway"
