import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings.environment import Settings, explain

MINIMUM = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "GATEWAY_PUBLIC_URL": "https://rooms.example",
}
KEY = {"id": "a", "sha256": "0" * 64}
ISSUER = {
    "issuer": "https://login.example/",
    "audience": "rooms",
    "jwks_url": "https://login.example/jwks.json",
}


def read_exactly(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.model_validate({})


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    return read_exactly(monkeypatch, MINIMUM | variables)


def read_file(
    monkeypatch: pytest.MonkeyPatch, file: Path, *rows: dict[str, Any], **variables: str
) -> Settings:
    file.write_text(json.dumps({"accounts": rows}))
    return read_exactly(
        monkeypatch,
        {
            "GATEWAY_ACCOUNTS_FILE": str(file),
            "GATEWAY_PUBLIC_URL": "https://rooms.example",
            **variables,
        },
    )


def test_three_variables_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    [account] = settings.accounts
    assert account.rest_credentials == (MINIMUM["TWILIO_ACCOUNT_SID"], "token")
    assert str(settings.twilio_video_base_url) == "https://video.twilio.com/"
    assert settings.gateway_redis_url is None
    assert settings.gateway_reconcile


def test_reconciling_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not read(monkeypatch, GATEWAY_RECONCILE="0").gateway_reconcile


@pytest.mark.parametrize("half", ["TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"])
def test_half_an_api_key_is_rejected(monkeypatch: pytest.MonkeyPatch, half: str) -> None:
    with pytest.raises(ValidationError, match="set both TWILIO_API_KEY_SID and"):
        read(monkeypatch, **{half: "x"})


def test_the_environment_describes_one_account(monkeypatch: pytest.MonkeyPatch) -> None:
    [account] = read(
        monkeypatch,
        TWILIO_SECONDARY_AUTH_TOKEN="second",
        TWILIO_API_KEY_SID="SK1",
        TWILIO_API_KEY_SECRET="secret",
        GATEWAY_SECRET="new",
        GATEWAY_PREVIOUS_SECRET="old",
        GATEWAY_READ_QUOTA="40",
        GATEWAY_WRITE_QUOTA="10",
    ).accounts
    assert account.auth_tokens == ("token", "second")
    assert account.rest_credentials == ("SK1", "secret")
    assert account.cursor_secrets == ("new", "old")
    assert (account.read_quota, account.write_quota) == (40, 10)


def test_api_keys_are_a_json_list(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        KEY,
        {
            "id": "b",
            "sha256": "1" * 64,
            "scopes": ["rooms:write"],
            "rooms": ["daily"],
            "limit": 1_000,
        },
    ]
    first, second = read(monkeypatch, GATEWAY_API_KEYS=json.dumps(rows)).accounts[0].api_keys
    assert first.scopes == ("rooms:read", "events:subscribe")
    assert (first.rooms, first.limit) == (None, None)
    assert (second.scopes, second.rooms, second.limit) == (("rooms:write",), ("daily",), 1_000)


def test_jwt_issuers_are_a_json_list(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ISSUER | {"algorithm": "EdDSA", "scopes": ["tokens:mint"], "limit": 100}
    [issuer] = read(monkeypatch, GATEWAY_JWT_ISSUERS=json.dumps([row])).accounts[0].jwt_issuers
    assert (issuer.algorithm, issuer.scopes, issuer.limit) == ("EdDSA", ("tokens:mint",), 100)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TWILIO_ACCOUNT_SID", "AC1"),
        ("GATEWAY_PUBLIC_URL", "rooms.example"),
        ("GATEWAY_PUBLIC_URL", "https://rooms.example/#fragment"),
        ("GATEWAY_PUBLIC_URL", "https://rooms.example/?query=1"),
        ("GATEWAY_READ_QUOTA", "1"),
        ("GATEWAY_QUOTA_WAIT_S", "-1"),
        ("GATEWAY_REPLICAS", "0"),
        ("GATEWAY_CONCURRENCY", "3"),
        ("GATEWAY_DEADLINE_S", "0"),
        ("GATEWAY_ALLOWED_ORIGINS", "not JSON"),
        ("GATEWAY_API_KEYS", json.dumps([KEY | {"sha256": "short"}])),
        ("GATEWAY_API_KEYS", json.dumps([KEY | {"scopes": ["everything"]}])),
        ("GATEWAY_API_KEYS", json.dumps([KEY | {"key": "rgk_in_clear"}])),
        ("GATEWAY_API_KEYS", json.dumps([KEY | {"limit": 0}])),
        ("GATEWAY_API_KEYS", json.dumps([KEY, KEY])),
        ("GATEWAY_JWT_ISSUERS", json.dumps([ISSUER | {"algorithm": "none"}])),
        ("GATEWAY_JWT_ISSUERS", json.dumps([ISSUER, ISSUER])),
    ],
)
def test_invalid_value_is_rejected_with_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    with pytest.raises(ValidationError) as rejected:
        read(monkeypatch, **{variable: value})
    message = explain(rejected.value)
    assert message.startswith(variable)
    assert "rgk_in_clear" not in message


def test_explain_names_every_missing_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError) as rejected:
        read_exactly(monkeypatch, {})
    lines = explain(rejected.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "GATEWAY_PUBLIC_URL",
    ]
    assert all("not set: set it" in line for line in lines)


def test_explain_shows_the_path_inside_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError) as rejected:
        read(monkeypatch, GATEWAY_JWT_ISSUERS=json.dumps([ISSUER, {"issuer": "x"}]))
    assert "GATEWAY_JWT_ISSUERS[1].audience: is missing" in explain(rejected.value)


def test_p20_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "TWILIO_AUTH_TOKEN": "canary-1",
        "TWILIO_SECONDARY_AUTH_TOKEN": "canary-2",
        "TWILIO_API_KEY_SID": "SK1",
        "TWILIO_API_KEY_SECRET": "canary-3",
        "GATEWAY_SECRET": "canary-4",
        "GATEWAY_PREVIOUS_SECRET": "canary-5",
    }
    settings = read(monkeypatch, **secrets)
    text = repr(settings) + str(settings) + settings.model_dump_json() + repr(settings.accounts)
    assert "canary" not in text


def test_settings_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
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
    ids=["Twilio", "substitute for Video", "two substitutes", "substitute for Insights"],
)
def test_insights_base_url_follows_the_video_base_url_by_default(
    monkeypatch: pytest.MonkeyPatch, urls: dict[str, str], expected: str
) -> None:
    assert read(monkeypatch, **urls).insights_base_url == expected


@pytest.mark.parametrize("name", [n.upper() for n in Settings.model_fields if "_file" not in n])
def test_every_variable_can_be_read_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """A mistake in the value is one of the variable, wherever the value was written."""
    (tmp_path / "value").write_text("canary\ncanary")
    in_file = MINIMUM | {f"{name}_FILE": str(tmp_path / "value")}
    in_file.pop(name, None)
    with pytest.raises(ValidationError) as rejected:
        read_exactly(monkeypatch, in_file)
    assert explain(rejected.value).startswith(f"{name}: contains a line break")
    assert "canary" not in str(rejected.value)


def test_secrets_from_files_are_those_of_the_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = {
        "TWILIO_AUTH_TOKEN": "token-of-a-file",
        "TWILIO_API_KEY_SID": "SK1",
        "TWILIO_API_KEY_SECRET": "secret",
        "GATEWAY_SECRET": "new",
        "GATEWAY_REDIS_URL": "redis://:password@127.0.0.1",
        "GATEWAY_API_KEYS": json.dumps([KEY]),
    }
    files: dict[str, str] = {}
    for name, value in values.items():
        (tmp_path / name).write_text(f"\ufeff{value}\r\n")
        files |= {f"{name}_FILE": str(tmp_path / name), name: ""}
    in_files = read(monkeypatch, **files)
    for name in files:
        monkeypatch.delenv(name)
    in_variables = read(monkeypatch, **values)
    assert in_files == in_variables
    assert in_files.accounts == in_variables.accounts


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot read {path}, which GATEWAY_SECRET_FILE names: No such file or directory"),
        (b"", "{path}, which GATEWAY_SECRET_FILE names, is blank: write the value into it"),
        (b" \n", "{path}, which GATEWAY_SECRET_FILE names, is blank: write the value into it"),
        (b"\xff", "{path}, which GATEWAY_SECRET_FILE names, is not UTF-8"),
        (
            b"x" * 4_000_001,
            "{path}, which GATEWAY_SECRET_FILE names, has more than 4,000,000 bytes",
        ),
    ],
    ids=["missing", "empty", "blank", "not UTF-8", "too long"],
)
def test_unreadable_file_of_a_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, fault: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValidationError) as rejected:
        read(monkeypatch, GATEWAY_SECRET_FILE=str(path))
    assert explain(rejected.value) == "GATEWAY_SECRET: " + fault.format(path=path)


def test_variable_and_its_file_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError) as rejected:
        read(monkeypatch, TWILIO_AUTH_TOKEN_FILE=str(tmp_path))
    [line] = explain(rejected.value).splitlines()
    assert line == "TWILIO_AUTH_TOKEN: is set together with TWILIO_AUTH_TOKEN_FILE: keep one"
    blank_file = read(monkeypatch, TWILIO_AUTH_TOKEN_FILE=" ")
    assert blank_file.accounts[0].auth_tokens == ("token",)


def test_values_that_are_given_need_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN_FILE", str(tmp_path / "missing"))
    given = {name.lower(): value for name, value in MINIMUM.items()}
    assert Settings.model_validate(given).accounts[0].auth_tokens == ("token",)


def row(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"sid": f"AC{number:032x}", "auth_token": f"canary-{number}", **fields}


def test_accounts_file_replaces_the_account_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = read_file(monkeypatch, tmp_path / "accounts.json", row(1), row(2))
    assert [account.sid for account in settings.accounts] == [row(1)["sid"], row(2)["sid"]]
    assert "canary" not in repr(settings.accounts) + repr(settings)


def test_gateway_secret_applies_to_accounts_without_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = row(1, secret="own", previous_secret="former"), row(2)
    with_secret = read_file(
        monkeypatch,
        tmp_path / "a.json",
        *rows,
        GATEWAY_SECRET="shared",
        GATEWAY_PREVIOUS_SECRET="old",
    )
    assert [account.cursor_secrets for account in with_secret.accounts] == [
        ("own", "former"),
        ("shared", "old"),
    ]
    without = read_file(monkeypatch, tmp_path / "a.json", *rows)
    assert [account.cursor_secrets for account in without.accounts] == [
        ("own", "former"),
        ("canary-2",),
    ]


def test_p20_invalid_accounts_file_is_rejected_without_quoting_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError) as rejected:
        read_file(monkeypatch, tmp_path / "accounts.json", row(1, colour="canary"))
    assert "accounts.json: accounts[0].colour: " in explain(rejected.value)
    assert "canary" not in str(rejected.value) + explain(rejected.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TWILIO_ACCOUNT_SID", "AC" + "0" * 32),
        ("TWILIO_AUTH_TOKEN", "canary"),
        ("TWILIO_SECONDARY_AUTH_TOKEN", "canary"),
        ("GATEWAY_API_KEYS", json.dumps([KEY])),
        ("GATEWAY_READ_QUOTA", "40"),
        ("GATEWAY_WRITE_QUOTA", "10"),
    ],
)
def test_accounts_file_and_account_variables_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(ValidationError, match=f"set together with {name}:") as rejected:
        read_file(monkeypatch, tmp_path / "accounts.json", row(), **{name: value})
    assert "canary" not in explain(rejected.value)
