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
async def test_each_path_has_its_answer(
    served: Served, method: str, path: str, status: int
) -> None:
    async with served.http.request(method, served.base + path) as reply:
        assert reply.status == status


async def test_no_path_takes_a_large_body(served: Served) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with served.http.post(
        served.base + "/callbacks/twilio", data=b"x" * 70_000, headers=headers
    ) as reply:
        assert reply.status == 413
