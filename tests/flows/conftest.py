from collections.abc import AsyncIterator

import pytest

from tests.flows.scenario import FlowScenario, create_flow_scenario
from tests.rpc.client import Clients, clients_on
from tests.running import Gateway


@pytest.fixture(scope="session")
async def clients(gateway: Gateway) -> AsyncIterator[Clients]:
    async with gateway.channel() as channel:
        yield clients_on(channel, gateway.metadata)


@pytest.fixture(scope="module")
async def scenario(gateway: Gateway) -> FlowScenario:
    return await create_flow_scenario(gateway)
