"""What a browser lets a page of another origin do, on both faces of the HTTP port."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.flows.test_connect import base_of
from tests.running import Gateway, running

ORIGIN = "https://app.example.com"
GET_ROOM = "/rooms_gateway.v1.RoomService/GetRoom"
USUAL = (
    ("authorization", "content-type"),
    ("x-api-key",),
    ("cache-control", "if-none-match", "x-requested-with"),
    ("baggage", "sentry-trace"),
    ("traceparent", "tracestate"),
    ("x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority"),
    ("x-datadog-origin", "x-datadog-sampled", "x-datadog-tags"),
    ("b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"),
    ("X-Tenant",),
)
OF_GRAPHQL = (
    ("apollographql-client-name", "apollographql-client-version"),
    ("graphql-require-preflight", "apollo-require-preflight", "x-apollo-operation-name"),
    ("last-event-id", "x-request-timeout-ms"),
)
OF_CONNECT = (
    ("connect-protocol-version", "connect-timeout-ms"),
    ("grpc-timeout", "x-grpc-web", "x-user-agent"),
)


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[Gateway]:
    """A gateway of `dev` that allows one more origin and one more header."""
    environment = {
        "GATEWAY_ALLOWED_ORIGINS": ORIGIN.upper() + ":443",
        "GATEWAY_ALLOWED_HEADERS": "x-tenant, X-Shard",
    }
    async with running(data, environment={**os.environ, **environment}) as gateway:
        yield gateway


@pytest.fixture(scope="module")
async def allowing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with serving(tmp_path_factory.mktemp("pages")) as gateway:
        yield gateway


async def missing(gateway: Gateway, path: str, asked: tuple[str, ...]) -> set[str]:
    """Asks as a browser does. Returns the headers that the response does not allow."""
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(asked),
    }
    async with gateway.http.options(base_of(gateway) + path, headers=headers) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
    return {name.lower() for name in asked} - {*allowed}


@pytest.mark.parametrize("asked", [*USUAL, *OF_GRAPHQL], ids=str)
async def test_a_page_may_send_the_usual_headers_to_graphql(
    allowing: Gateway, asked: tuple[str, ...]
) -> None:
    assert not await missing(allowing, "/graphql", asked)


@pytest.mark.parametrize("asked", [*USUAL, *OF_CONNECT], ids=str)
async def test_a_page_may_send_the_usual_headers_to_connect(
    allowing: Gateway, asked: tuple[str, ...]
) -> None:
    assert not await missing(allowing, GET_ROOM, asked)


async def test_other_headers_need_the_setting(allowing: Gateway) -> None:
    assert await missing(allowing, "/graphql", ("x-other", "x-shard")) == {"x-other"}


@pytest.mark.parametrize("path", ["/graphql", GET_ROOM])
@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        ("https://app.example.com", None, True),
        ("https://app.example.com:443", None, True),
        ("http://app.example.com", None, False),
        ("https://rooms.example.com", "rooms.example.com:443", True),
        ("http://rooms.example.com", "rooms.example.com:443", False),
        ("null", None, False),
    ],
)
async def test_origins_are_compared_by_scheme_host_and_port(
    allowing: Gateway, path: str, origin: str, host: str | None, is_allowed: bool
) -> None:
    headers = {"Origin": origin, "Host": host or urlsplit(base_of(allowing)).netloc}
    async with allowing.http.options(base_of(allowing) + path, headers=headers) as response:
        assert response.status == (204 if is_allowed else 403)
