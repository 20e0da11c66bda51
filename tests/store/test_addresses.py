import pytest

from gateway.core.errors import InvalidArgument
from gateway.store.addresses import open_route
from gateway.store.routes import ClusterRoute, Limits, Route, SentinelRoute, ServerRoute

LIMITS = Limits(connections=4, reply_timeout_s=1.0, retries=0)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://127.0.0.1", ServerRoute),
        ("rediss://user:pass@redis.example:6380/2?ssl_cert_reqs=none", ServerRoute),
        ("unix:///run/valkey", ServerRoute),
        ("redis+sentinel://one:26379,two/rooms", SentinelRoute),
        (
            "rediss+sentinel://user:p%40ss@one,[::1]:26380/rooms/3?sentinel_password=other&ssl_cert_reqs=none",
            SentinelRoute,
        ),
        ("redis+cluster://one:7000,two:7001", ClusterRoute),
        ("rediss+cluster://:pass@one/0?ssl_check_hostname=false", ClusterRoute),
    ],
)
async def test_open_route_by_scheme(url: str, kind: type[Route]) -> None:
    route = open_route(url, LIMITS)
    assert type(route) is kind
    await route.aclose()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "http://127.0.0.1",
            r"unknown scheme: use redis://host:port.*redis\+sentinel://.*redis\+cluster://",
        ),
        ("127.0.0.1:6379", "unknown scheme"),
        ("redis+sentinel://one,two", "names no service: use redis\\+sentinel://"),
        ("redis+sentinel://one,,two/rooms", "cannot be read"),
        ("redis+sentinel://one:port/rooms", "cannot be read"),
        ("redis+sentinel:///rooms", "cannot be read"),
        ("redis+sentinel://one/rooms/zero", "cannot be read"),
        ("redis+cluster://one/3", "has only 0"),
        ("redis+cluster://", "cannot be read"),
        ("redis+cluster://one?socket_timeout=soon", "cannot be read"),
        ("redis://one?no_such_option=1", "cannot be read"),
        ("redis+sentinel://one/rooms?no_such_option=1", "cannot be read"),
        ("redis+cluster://one?no_such_option=1", "cannot be read"),
    ],
)
def test_bad_address_is_refused(url: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        open_route(url, LIMITS)


@pytest.mark.parametrize("scheme", ["redis", "redis+sentinel", "redis+cluster", "http"])
def test_error_contains_no_password(scheme: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        open_route(f"{scheme}://user:hunter2@one:port/x/y?db=hunter2", LIMITS)
    assert "hunter2" not in str(refused.value)


async def test_user_database_and_options_are_read() -> None:
    route = open_route(
        "rediss+sentinel://user:p%40ss@one/rooms/3?client_name=gateway&sentinel_password=own",
        LIMITS,
    )
    assert isinstance(route, SentinelRoute)
    options = route.client.connection_pool.connection_kwargs
    assert {name: options[name] for name in ("username", "password", "db", "client_name")} == {
        "username": "user",
        "password": "p@ss",
        "db": 3,
        "client_name": "gateway",
    }
    assert "sentinel_password" not in options
    await route.aclose()
