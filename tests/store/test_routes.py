import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.store.connection import Connections
from tests.topologies import two_servers_behind_proxy


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis+sentinel://127.0.0.1:1/rooms", "no sentinel of GATEWAY_REDIS_URL names a master"),
        ("redis+cluster://127.0.0.1:1", "no node of GATEWAY_REDIS_URL answers"),
        ("redis+cluster://127.0.0.1:{port}", "or use redis:// for a single server"),
    ],
)
async def test_error_of_an_unusable_address_message_what_to_check(url: str, message: str) -> None:
    async with two_servers_behind_proxy() as (_, _, _, plain):
        connections = Connections(url.format(port=plain.rpartition(":")[2]))
        with pytest.raises(UpstreamUnavailable, match=message):
            await connections.check_eviction_policy()
        await connections.aclose()
