import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import HttpUrl, ValidationError

from gateway.settings.environment import ACCOUNTS, Settings

MINIMUM = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "GATEWAY_PUBLIC_URL": "https://rooms.example",
}


def read(monkeypatch: pytest.MonkeyPatch, **more: str) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in (MINIMUM | more).items():
        monkeypatch.setenv(name, value)
    return Settings.model_validate({})


def test_three_variables_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    [account] = settings.accounts
    assert account.rest_credentials == (MINIMUM["TWILIO_ACCOUNT_SID"], "token")
    assert account.auth_tokens == account.cursor_secrets == ("token",)
    assert str(settings.twilio_video_base_url) == "https://video.twilio.com/"
    assert settings.gateway_redis_url is None
    assert settings.gateway_reconcile


def test_the_reconciler_can_be_left_to_other_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not read(monkeypatch, GATEWAY_RECONCILE="0").gateway_reconcile


def test_an_api_key_is_the_login_and_the_token_still_proves_callbacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [account] = read(monkeypatch, TWILIO_API_KEY_SID="SK1", TWILIO_API_KEY_SECRET="secret").accounts
    assert account.rest_credentials == ("SK1", "secret")
    assert account.auth_tokens == ("token",)


@pytest.mark.parametrize("half", ["TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"])
def test_half_an_api_key_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    with pytest.raises(ValidationError, match="give both"):
        read(monkeypatch, **{half: "x"})


def test_secrets_and_tokens_come_in_the_order_in_which_they_are_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [account] = read(
        monkeypatch,
        TWILIO_SECONDARY_AUTH_TOKEN="second",
        GATEWAY_SECRET="new",
        GATEWAY_PREVIOUS_SECRET="old",
    ).accounts
    assert account.auth_tokens == ("token", "second")
    assert account.cursor_secrets == ("new", "old")


def test_api_keys_are_rows_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"id": "a", "sha256": "0" * 64},
        {
            "id": "b",
            "sha256": "1" * 64,
            "scopes": ["rooms:write"],
            "rooms": ["daily"],
            "limit": 1_000,
        },
    ]
    first, second = read(monkeypatch, GATEWAY_API_KEYS=json.dumps(rows)).gateway_api_keys
    assert (first.scopes, first.rooms, first.limit) == (
        ("rooms:read", "events:subscribe"),
        None,
        None,
    )
    assert (second.scopes, second.rooms, second.limit) == (("rooms:write",), ("daily",), 1_000)


ISSUER = {
    "issuer": "https://login.example/",
    "audience": "rooms",
    "jwks_url": "https://login.example/jwks.json",
}


def issuers(**more: Any) -> dict[str, str]:
    return {"GATEWAY_JWT_ISSUERS": json.dumps([{**ISSUER, **more}])}


def test_issuers_of_tokens_are_read_from_json(monkeypatch: pytest.MonkeyPatch) -> None:
    [usual] = read(monkeypatch, **issuers()).accounts[0].jwt_issuers
    assert (usual.algorithm, usual.scopes, usual.limit) == (
        "RS256",
        ("rooms:read", "events:subscribe"),
        None,
    )
    near = issuers(
        algorithm="EdDSA",
        jwks_url="http://127.0.0.1:8000/jwks.json",
        scopes=["tokens:mint"],
        limit=100,
    )
    [own] = read(monkeypatch, **near).gateway_jwt_issuers
    assert (own.algorithm, own.scopes, own.limit) == ("EdDSA", ("tokens:mint",), 100)


@pytest.mark.parametrize(
    "value",
    [
        issuers(algorithm="HS256"),
        issuers(algorithm="none"),
        issuers(jwks_url="http://login.example/jwks.json"),
        issuers(jwks_url="file:///etc/passwd"),
        issuers(audience=""),
        issuers(secret="shared"),
        {"TWILIO_ACCOUNT_SID": "AC1"},
        {"GATEWAY_PUBLIC_URL": "rooms.example"},
        {"GATEWAY_PUBLIC_URL": "https://rooms.example/#fragment"},
        {"GATEWAY_PUBLIC_URL": "https://rooms.example/?query=1"},
        {"GATEWAY_READ_QUOTA": "1"},
        {"GATEWAY_QUOTA_WAIT_S": "-1"},
        {"GATEWAY_REPLICAS": "0"},
        {"GATEWAY_CONCURRENCY": "3"},
        {"GATEWAY_DEADLINE_S": "0"},
        {"GATEWAY_API_KEYS": '[{"id": "a", "sha256": "short"}]'},
        {
            "GATEWAY_API_KEYS": '[{"id": "a", "sha256": "'
            + "0" * 64
            + '", "scopes": ["everything"]}]'
        },
        {"GATEWAY_API_KEYS": '[{"id": "a", "sha256": "' + "0" * 64 + '", "key": "rgk_in_clear"}]'},
        {"GATEWAY_API_KEYS": '[{"id": "a", "sha256": "' + "0" * 64 + '", "limit": 0}]'},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: dict[str, str]
) -> None:
    with pytest.raises(ValidationError):
        read(monkeypatch, **value)


def test_a_key_with_two_rows_is_refused_for_nobody_could_tell_which_one_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [
        {"id": "reader", "sha256": "0" * 64},
        {"id": "writer", "sha256": "0" * 64, "scopes": ["rooms:write"]},
    ]
    with pytest.raises(ValidationError, match="GATEWAY_API_KEYS names API key 0000"):
        read(monkeypatch, GATEWAY_API_KEYS=json.dumps(rows))


def test_an_issuer_with_two_rows_for_an_audience_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValidationError, match="GATEWAY_JWT_ISSUERS names issuer and audience"):
        read(monkeypatch, GATEWAY_JWT_ISSUERS=json.dumps([ISSUER, {**ISSUER, "scopes": ["admin"]}]))


def test_p20_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "TWILIO_AUTH_TOKEN": "canary-1",
        "TWILIO_SECONDARY_AUTH_TOKEN": "canary-2",
        "TWILIO_API_KEY_SID": "SK1",
        "TWILIO_API_KEY_SECRET": "canary-3",
        "GATEWAY_SECRET": "canary-4",
        "GATEWAY_PREVIOUS_SECRET": "canary-5",
    }
    settings = read(monkeypatch, **secrets)
    shown = repr(settings) + str(settings) + settings.model_dump_json() + repr(settings.accounts)
    assert "canary" not in shown


def test_settings_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        read(monkeypatch).gateway_read_quota = 100


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ({}, "https://insights.twilio.com/"),
        ({"TWILIO_VIDEO_BASE_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1/"),
        (
            {
                "TWILIO_VIDEO_BASE_URL": "http://127.0.0.1:1",
                "TWILIO_INSIGHTS_BASE_URL": "http://127.0.0.1:2",
            },
            "http://127.0.0.1:2/",
        ),
        ({"TWILIO_INSIGHTS_BASE_URL": "http://127.0.0.1:2"}, "http://127.0.0.1:2/"),
    ],
    ids=str,
)
def test_insights_is_asked_where_video_is_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, urls: dict[str, str], expected: str
) -> None:
    assert read(monkeypatch, **urls).insights_base_url == expected


def row(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"sid": f"AC{number:032x}", "auth_token": f"canary-{number}", **more}


def of_file(monkeypatch: pytest.MonkeyPatch, file: Path, text: str, **more: str) -> Settings:
    file.write_text(text)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    environment = {
        "GATEWAY_ACCOUNTS_FILE": str(file),
        "GATEWAY_PUBLIC_URL": "https://rooms.example",
        **more,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.model_validate({})


def refused(monkeypatch: pytest.MonkeyPatch, file: Path, text: str, **more: str) -> str:
    with pytest.raises(ValidationError) as exc:
        of_file(monkeypatch, file, text, **more)
    assert "canary" not in str(exc.value)
    return str(exc.value)


def test_a_file_describes_each_account_with_its_own_tokens_quotas_and_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [
        row(1, api_keys=[{"id": "a", "sha256": "0" * 64}]),
        row(
            2,
            secondary_auth_token="next",
            api_key_sid="SK1",
            api_key_secret="secret",
            read_quota=40,
            write_quota=10,
        ),
    ]
    settings = of_file(monkeypatch, tmp_path / "accounts.json", json.dumps({"accounts": rows}))
    first, second = settings.accounts
    assert (first.sid, first.auth_tokens, first.read_quota, first.write_quota) == (
        row(1)["sid"],
        ("canary-1",),
        80,
        20,
    )
    assert [key.id for key in first.api_keys] == ["a"]
    assert (second.auth_tokens, second.rest_credentials) == (
        ("canary-2", "next"),
        ("SK1", "secret"),
    )
    assert (second.read_quota, second.write_quota, second.api_keys) == (40, 10, ())
    assert "canary" not in repr(settings.accounts) + repr(settings)


def test_the_file_may_be_toml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = f"""
        [[accounts]]
        sid = "{row()["sid"]}"
        auth_token = "canary"
        [[accounts.api_keys]]
        id = "web"
        sha256 = "{"0" * 64}"
        limit = 1000
    """
    [account] = of_file(monkeypatch, tmp_path / "accounts.toml", text).accounts
    assert (account.api_keys[0].id, account.api_keys[0].limit) == ("web", 1_000)


def test_cursors_are_sealed_with_the_secret_of_the_account_or_of_the_gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = json.dumps({"accounts": [row(1, secret="own", previous_secret="former"), row(2)]})
    with_secret = of_file(
        monkeypatch,
        tmp_path / "a.json",
        text,
        GATEWAY_SECRET="shared",
        GATEWAY_PREVIOUS_SECRET="old",
    )
    assert [account.cursor_secrets for account in with_secret.accounts] == [
        ("own", "former"),
        ("shared", "old"),
    ]
    without = of_file(monkeypatch, tmp_path / "a.json", text)
    assert [account.cursor_secrets for account in without.accounts] == [
        ("own", "former"),
        ("canary-2",),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON: line 1"),
        ("[]", "dictionary"),
        (json.dumps({"accounts": []}), "accounts: "),
        (json.dumps({"accounts": [row(1), row(1)]}), "names account AC0"),
        (json.dumps({"accounts": [row(number) for number in range(ACCOUNTS + 1)]}), "accounts: "),
        (json.dumps({"accounts": [row(1) | {"sid": "canary"}]}), "accounts.0.sid: "),
        (json.dumps({"accounts": [row(1, api_key_sid="SK1")]}), "accounts.0: "),
        (json.dumps({"accounts": [row(1, colour="canary")]}), "accounts.0.colour: "),
        (
            json.dumps(
                {"accounts": [row(n, api_keys=[{"id": "a", "sha256": "0" * 64}]) for n in (1, 2)]}
            ),
            "names API key 0000",
        ),
    ],
    ids=lambda value: value[:40],
)
def test_p20_a_file_that_is_off_is_refused_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, said: str
) -> None:
    assert said in refused(monkeypatch, tmp_path / "accounts.json", text)


def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(ValidationError, match=r"nowhere\.json cannot be read: No such file"):
        Settings(
            gateway_accounts_file=tmp_path / "nowhere.json",
            gateway_public_url=HttpUrl("https://rooms.example"),
        )
    assert "is not TOML" in refused(monkeypatch, tmp_path / "a.toml", "accounts = [")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TWILIO_ACCOUNT_SID", "AC" + "0" * 32),
        ("TWILIO_AUTH_TOKEN", "canary"),
        ("TWILIO_SECONDARY_AUTH_TOKEN", "canary"),
        ("GATEWAY_API_KEYS", json.dumps([{"id": "a", "sha256": "0" * 64}])),
        ("GATEWAY_READ_QUOTA", "40"),
        ("GATEWAY_WRITE_QUOTA", "10"),
    ],
)
def test_the_account_of_the_environment_and_the_file_are_not_mixed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    text = json.dumps({"accounts": [row()]})
    assert f"so is {name};" in refused(
        monkeypatch, tmp_path / "accounts.json", text, **{name: value}
    )
