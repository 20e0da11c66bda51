import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings.accounts import (
    MAX_ACCOUNTS,
    AccountSettings,
    JwtIssuerSettings,
    check_credentials,
    read_accounts,
)

KEY = {"id": "a", "sha256": "0" * 64}
ISSUER = {
    "issuer": "https://login.example/",
    "audience": "rooms",
    "jwks_url": "https://login.example/jwks.json",
}


def row(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"sid": f"AC{number:032x}", "auth_token": f"canary-{number}", **fields}


def account(**fields: Any) -> AccountSettings:
    return AccountSettings.model_validate(row(**fields))


def read(tmp_path: Path, *rows: dict[str, Any]) -> tuple[AccountSettings, ...]:
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps({"accounts": rows}))
    return read_accounts(file)


def test_auth_token_is_the_rest_password_without_an_api_key() -> None:
    plain = account()
    assert plain.rest_credentials == (plain.sid, "canary-1")
    assert plain.auth_tokens == plain.cursor_secrets == ("canary-1",)


def test_api_key_is_the_rest_login_and_the_token_verifies_callbacks() -> None:
    with_key = account(api_key_sid="SK1", api_key_secret="secret")
    assert with_key.rest_credentials == ("SK1", "secret")
    assert with_key.auth_tokens == ("canary-1",)


@pytest.mark.parametrize("half", ["api_key_sid", "api_key_secret"])
def test_half_an_api_key_is_rejected(half: str) -> None:
    with pytest.raises(ValidationError, match="set both api_key_sid and api_key_secret"):
        account(**{half: "x"})


def test_new_tokens_and_secrets_come_before_old_ones() -> None:
    rotating = account(secondary_auth_token="second", secret="new", previous_secret="old")
    assert rotating.auth_tokens == ("canary-1", "second")
    assert rotating.cursor_secrets == ("new", "old")


def test_issuer_has_defaults() -> None:
    issuer = JwtIssuerSettings.model_validate(ISSUER)
    assert issuer.algorithm == "RS256"
    assert issuer.scopes == ("rooms:read", "events:subscribe")
    assert issuer.limit is None


def test_jwks_url_on_loopback_may_be_http() -> None:
    near = ISSUER | {"jwks_url": "http://127.0.0.1:8000/jwks.json"}
    assert JwtIssuerSettings.model_validate(near).jwks_url.scheme == "http"


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "HS256"},
        {"algorithm": "none"},
        {"jwks_url": "http://login.example/jwks.json"},
        {"jwks_url": "file:///etc/passwd"},
        {"audience": ""},
        {"secret": "shared"},
    ],
    ids=str,
)
def test_invalid_issuer_is_rejected(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        JwtIssuerSettings.model_validate(ISSUER | change)


def test_key_with_two_rows_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"KEYS lists API key 0000.* more than once"):
        check_credentials([account(api_keys=[KEY, KEY])], keys_in="KEYS", issuers_in="ISSUERS")


def test_issuer_with_two_rows_for_one_audience_is_rejected() -> None:
    twice = account(jwt_issuers=[ISSUER, ISSUER | {"scopes": ["admin"]}])
    with pytest.raises(ValueError, match=r"ISSUERS lists issuer and audience .* more than once"):
        check_credentials([twice], keys_in="KEYS", issuers_in="ISSUERS")


def test_file_describes_each_account(tmp_path: Path) -> None:
    first, second = read(
        tmp_path,
        row(1, api_keys=[KEY]),
        row(
            2,
            secondary_auth_token="next",
            api_key_sid="SK1",
            api_key_secret="secret",
            read_quota=40,
            write_quota=10,
        ),
    )
    assert (first.sid, first.auth_tokens) == (row(1)["sid"], ("canary-1",))
    assert (first.read_quota, first.write_quota) == (80, 20)
    assert [key.id for key in first.api_keys] == ["a"]
    assert second.auth_tokens == ("canary-2", "next")
    assert second.rest_credentials == ("SK1", "secret")
    assert (second.read_quota, second.write_quota, second.api_keys) == (40, 10, ())
    assert "canary" not in repr((first, second))


def test_file_may_be_toml(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(
        f"""
        [[accounts]]
        sid = "{row()["sid"]}"
        auth_token = "canary"
        [[accounts.api_keys]]
        id = "web"
        sha256 = "{"0" * 64}"
        limit = 1000
        """
    )
    [only] = read_accounts(file)
    assert (only.api_keys[0].id, only.api_keys[0].limit) == ("web", 1_000)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "is not JSON: error in line 1"),
        ("[]", "json: must be an object with named fields"),
        (json.dumps({"accounts": []}), "accounts: "),
        (json.dumps({"accounts": [row(1), row(1)]}), "lists account AC0"),
        (json.dumps({"accounts": [row(n) for n in range(MAX_ACCOUNTS + 1)]}), "accounts: "),
        (json.dumps({"accounts": [row(1, sid="canary")]}), "accounts[0].sid: "),
        (json.dumps({"accounts": [row(1, api_key_sid="SK1")]}), "accounts[0]: "),
        (json.dumps({"accounts": [row(1, colour="canary")]}), "accounts[0].colour: "),
        (
            json.dumps({"accounts": [row(n, api_keys=[KEY]) for n in (1, 2)]}),
            "lists API key 0000",
        ),
    ],
    ids=[
        "not JSON",
        "a list",
        "no account",
        "account twice",
        "too many accounts",
        "bad SID",
        "half an API key",
        "unknown field",
        "key in two accounts",
    ],
)
def test_p20_invalid_file_is_rejected_without_quoting_it(
    tmp_path: Path, text: str, fault: str
) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"accounts\.json") as rejected:
        read_accounts(file)
    assert fault in str(rejected.value)
    assert "canary" not in str(rejected.value)


def test_error_of_the_only_row_is_not_also_one_of_the_list(tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps({"accounts": [row(auth_token="a b")]}))
    with pytest.raises(ValueError, match=r"^[^;]*accounts\[0\]\.auth_token: must [^;]*$"):
        read_accounts(file)


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*nowhere\.json: No such file"):
        read_accounts(tmp_path / "nowhere.json")
    not_utf8 = tmp_path / "bytes.json"
    not_utf8.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"bytes\.json is not UTF-8"):
        read_accounts(not_utf8)
    not_toml = tmp_path / "a.toml"
    not_toml.write_text("accounts = [")
    with pytest.raises(ValueError, match=r"a\.toml is not TOML"):
        read_accounts(not_toml)
