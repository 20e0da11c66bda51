from collections.abc import AsyncIterator

import pytest

from gateway.rpc.limits import Limits
from gateway.service.callers.authenticator import Authenticator
from tests.rpc.conftest import authenticator, caller
from tests.rpc.http.probe import HttpProbe, serving
from tests.rpc.probe import Methods

__all__ = ["authenticator", "caller"]  # fixtures of gRPC's tests


@pytest.fixture
def methods() -> Methods:
    return Methods()


@pytest.fixture
async def probe(authenticator: Authenticator, methods: Methods) -> AsyncIterator[HttpProbe]:
    async with serving(authenticator, methods, Limits(calls=2, streams=2)) as probe:
        yield probe
