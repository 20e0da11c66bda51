from typing import Any

import pytest

from gateway.core.callers import Caller
from gateway.core.errors import Unauthenticated
from gateway.rpc.authentication import authenticate, caller_and_account, current_caller
from gateway.service.callers.authenticator import Authenticator

from .conftest import API_KEY


@pytest.mark.parametrize(
    "metadata", [("authorization", f"Bearer {API_KEY}"), ("x-api-key", API_KEY)]
)
async def test_either_credential_names_the_caller(
    authenticator: Authenticator, caller: Caller, metadata: tuple[str, str]
) -> None:
    await authenticate(authenticator, [("user-agent", "grpc-python"), metadata])

    assert current_caller() == caller


async def test_a_caller_meets_the_use_cases_of_the_own_account_only(
    authenticator: Authenticator, caller: Caller
) -> None:
    accounts: Any = {"AC" + "9" * 32: "another's", caller.account_sid: "its own"}
    await authenticate(authenticator, [("x-api-key", API_KEY)])

    assert caller_and_account(accounts) == (caller, "its own")


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ([], "no credential; send"),
        ([("authorization", "Bearer rgk_other")], "not known here; check it"),
        ([("authorization", "Basic dXNlcg==")], "not a Bearer credential; send"),
        ([("x-api-key", API_KEY), ("x-api-key", API_KEY)], "x-api-key comes twice; send it once"),
    ],
)
async def test_any_other_is_refused(
    authenticator: Authenticator, metadata: list[tuple[str, str | bytes]], sentence: str
) -> None:
    with pytest.raises(Unauthenticated, match=sentence):
        await authenticate(authenticator, metadata)
