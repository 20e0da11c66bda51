import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.store.connection import Connections
from tests.topologies import two_servers_behind_proxy


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+sentinel://127.0.0.1:1/rooms", "no sentinel of GATEWAY_REDIS_URL names a master"),
        ("redis+cluster://127.0.0.1:1", "no node of GATEWAY_REDIS_URL answers"),
        ("redis+cluster://127.0.0.1:{port}", "or give redis:// for one server"),
    ],
)
async def test_whoever_cannot_start_is_told_where_to_look(url: str, says: str) -> None:
    async with two_servers_behind_proxy() as (_, _, _, plain):
        connections = Connections(url.format(port=plain.rpartition(":")[2]))
        with pytest.raises(UpstreamUnavailable, match=says):
            await connections.check_policy()
        await connections.aclose()
