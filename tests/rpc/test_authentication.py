from typing import Any

import pytest

from gateway.core.callers import Caller
from gateway.core.errors import Unauthenticated
from gateway.rpc.authentication import authenticate, caller_and_account
from gateway.service import call_context
from gateway.service.call_context import CallContext
from gateway.service.callers.authenticator import Authenticator

from .conftest import API_KEY

Metadata = list[tuple[str, str | bytes]]


@pytest.mark.parametrize(
    "credential",
    [("authorization", f"Bearer {API_KEY}"), ("x-api-key", API_KEY)],
    ids=["authorization", "x-api-key"],
)
async def test_authenticate_returns_the_caller(
    authenticator: Authenticator, caller: Caller, credential: tuple[str, str]
) -> None:
    assert await authenticate(authenticator, [("user-agent", "grpc-python"), credential]) == caller


@pytest.mark.parametrize(
    "metadata",
    [[], [("authorization", "Bearer rgk_other")], [("authorization", "Basic dXNlcg==")]],
    ids=["no credential", "unknown API key", "basic authentication"],
)
async def test_authenticate_rejects_other_credentials(
    authenticator: Authenticator, metadata: Metadata
) -> None:
    with pytest.raises(Unauthenticated):
        await authenticate(authenticator, metadata)


async def test_authenticate_rejects_a_credential_that_is_sent_twice(
    authenticator: Authenticator,
) -> None:
    with pytest.raises(Unauthenticated, match="x-api-key is sent twice: send it once"):
        await authenticate(authenticator, [("x-api-key", API_KEY), ("x-api-key", API_KEY)])


def test_caller_and_account_returns_the_callers_own_account(caller: Caller) -> None:
    accounts: Any = {"AC" + "9" * 32: "another account", caller.account_sid: "own account"}
    with call_context.entered(CallContext(caller)):
        found: tuple[Caller, object] = caller_and_account(accounts)
    assert found == (caller, "own account")
