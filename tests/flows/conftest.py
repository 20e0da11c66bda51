from collections.abc import AsyncIterator

import pytest

from tests.flows.scene import Scene, set_the_scene
from tests.rpc.client import Clients, clients_on
from tests.running import Gateway


@pytest.fixture(scope="session")
async def clients(gateway: Gateway) -> AsyncIterator[Clients]:
    async with gateway.channel() as channel:
        yield clients_on(channel, gateway.metadata)


@pytest.fixture(scope="module")
async def scene(gateway: Gateway) -> Scene:
    return await set_the_scene(gateway)
