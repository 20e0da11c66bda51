from collections.abc import AsyncIterator

import pytest

from tests.rpc.client import Clients, clients_on
from tests.running import Gateway


@pytest.fixture(scope="session")
async def clients(gateway: Gateway) -> AsyncIterator[Clients]:
    async with gateway.channel() as channel:
        yield clients_on(channel, gateway.metadata)
