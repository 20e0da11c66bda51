import base64
import re

import pytest

from gateway.sandbox.accounts import Account, Authenticator
from gateway.sandbox.errors import TwilioError

ACCOUNT = Account("AC1", "token", {"SK1": "secret"})


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def test_generated_account_is_repeatable_and_well_formed() -> None:
    account = Account.generate(3)

    assert account == Account.generate(3) != Account.generate(4)
    assert re.fullmatch("AC[0-9a-f]{32}", account.sid)
    assert all(re.fullmatch("SK[0-9a-f]{32}", key) for key in account.api_keys)


def test_repr_of_an_account_has_no_secrets() -> None:
    assert "token" not in repr(ACCOUNT)
    assert "secret" not in repr(ACCOUNT)


@pytest.mark.parametrize(
    "header", [basic("AC1", "token"), basic("SK1", "secret"), basic("AC1", "token", "basic")]
)
def test_auth_token_and_api_keys_authenticate(header: str) -> None:
    assert Authenticator([ACCOUNT]).authenticate(header) is ACCOUNT


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        basic("AC1", "secret"),
        basic("AC1", ""),
        basic("AC1", "token", "Bearer"),
        "Basic ~",
    ],
)
def test_invalid_credentials_are_20003(header: str) -> None:
    with pytest.raises(TwilioError) as caught:
        Authenticator([ACCOUNT]).authenticate(header)

    assert (caught.value.code, caught.value.status) == (20003, 401)
