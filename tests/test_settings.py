import json

import pytest
from pydantic import ValidationError

from gateway.settings import Settings

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
    assert settings.rest_credentials == (MINIMUM["TWILIO_ACCOUNT_SID"], "token")
    assert settings.auth_tokens == settings.cursor_secrets == ("token",)
    assert str(settings.twilio_video_base_url) == "https://video.twilio.com/"
    assert settings.gateway_redis_url is None
    assert settings.gateway_reconcile


def test_the_reconciler_can_be_left_to_other_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not read(monkeypatch, GATEWAY_RECONCILE="0").gateway_reconcile


def test_an_api_key_is_the_login_and_the_token_still_proves_callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, TWILIO_API_KEY_SID="SK1", TWILIO_API_KEY_SECRET="secret")
    assert settings.rest_credentials == ("SK1", "secret")
    assert settings.auth_tokens == ("token",)


@pytest.mark.parametrize("half", ["TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"])
def test_half_an_api_key_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch, half: str) -> None:
    with pytest.raises(ValidationError, match="give both"):
        read(monkeypatch, **{half: "x"})


def test_secrets_and_tokens_come_in_the_order_in_which_they_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch, TWILIO_SECONDARY_AUTH_TOKEN="second", GATEWAY_SECRET="new", GATEWAY_PREVIOUS_SECRET="old"
    )
    assert settings.auth_tokens == ("token", "second")
    assert settings.cursor_secrets == ("new", "old")


def test_api_keys_are_rows_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"id": "a", "sha256": "0" * 64},
        {"id": "b", "sha256": "1" * 64, "scopes": ["rooms:write"], "rooms": ["daily"]},
    ]
    first, second = read(monkeypatch, GATEWAY_API_KEYS=json.dumps(rows)).gateway_api_keys
    assert (first.scopes, first.rooms) == (("rooms:read", "events:subscribe"), None)
    assert (second.scopes, second.rooms) == (("rooms:write",), ("daily",))


@pytest.mark.parametrize(
    "value",
    [
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
        {"GATEWAY_API_KEYS": '[{"id": "a", "sha256": "' + "0" * 64 + '", "scopes": ["everything"]}]'},
        {"GATEWAY_API_KEYS": '[{"id": "a", "sha256": "' + "0" * 64 + '", "key": "rgk_in_clear"}]'},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, value: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        read(monkeypatch, **value)


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
    assert "canary" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_settings_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        read(monkeypatch).gateway_read_quota = 100


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ({}, "https://insights.twilio.com/"),
        ({"TWILIO_VIDEO_BASE_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1/"),
        (
            {"TWILIO_VIDEO_BASE_URL": "http://127.0.0.1:1", "TWILIO_INSIGHTS_BASE_URL": "http://127.0.0.1:2"},
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
