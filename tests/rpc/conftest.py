import hashlib
from collections.abc import AsyncIterator
from typing import Final

import pytest

from gateway.core.callers import Caller, Scope
from gateway.core.rooms import AccountSid
from gateway.service.callers.api_keys import ApiKey
from gateway.service.callers.authenticator import Authenticator
from tests.rpc.client import Clients, clients_on
from tests.running import Gateway

API_KEY: Final = "rgk_of_the_rpc_tests"
METADATA: Final = (("authorization", f"Bearer {API_KEY}"),)


@pytest.fixture(scope="session")
def caller() -> Caller:
    return Caller(AccountSid("AC" + "0" * 32), "tests", frozenset({Scope.ROOMS_READ}))


@pytest.fixture(scope="session")
def authenticator(caller: Caller) -> Authenticator:
    return Authenticator([ApiKey(hashlib.sha256(API_KEY.encode()).hexdigest(), caller)])


@pytest.fixture(scope="session")
async def clients(gateway: Gateway) -> AsyncIterator[Clients]:
    async with gateway.channel() as channel:
        yield clients_on(channel, gateway.metadata)
