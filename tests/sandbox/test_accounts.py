import base64
import re

import pytest

from gateway.sandbox.accounts import Account, Authenticator
from gateway.sandbox.errors import TwilioError

ACCOUNT = Account("AC1", "token", {"SK1": "secret"})


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def test_an_invented_account_is_the_same_each_time_and_well_formed() -> None:
    account = Account.generate(3)

    assert account == Account.generate(3) != Account.generate(4)
    assert re.fullmatch("AC[0-9a-f]{32}", account.sid)
    assert all(re.fullmatch("SK[0-9a-f]{32}", key) for key in account.api_keys)


def test_an_accounts_secrets_are_not_printed() -> None:
    assert "token" not in repr(ACCOUNT)
    assert "secret" not in repr(ACCOUNT)


@pytest.mark.parametrize(
    "header", [basic("AC1", "token"), basic("SK1", "secret"), basic("AC1", "token", "basic")]
)
def test_the_auth_token_and_api_keys_open_the_door(header: str) -> None:
    assert Authenticator([ACCOUNT]).admit(header) is ACCOUNT


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
def test_everything_else_is_20003(header: str) -> None:
    with pytest.raises(TwilioError) as caught:
        Authenticator([ACCOUNT]).admit(header)

    assert (caught.value.code, caught.value.status) == (20003, 401)
