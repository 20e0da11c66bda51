"""The rules for values, swept over every setting and every field of the rows."""

import json
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from gateway.settings.accounts import (
    AccountSettings,
    ApiKeySettings,
    JwtIssuerSettings,
    read_accounts,
)
from gateway.settings.environment import Settings, explain
from gateway.settings.values import Values, clean_text
from tests.settings.test_environment import ISSUER, KEY, MINIMUM, read, read_exactly

BLANK = ["", " ", "\n", "\t \r\n"]
ROWS: dict[type[Values], dict[str, Any]] = {
    AccountSettings: {"sid": MINIMUM["TWILIO_ACCOUNT_SID"], "auth_token": "token"},
    ApiKeySettings: KEY,
    JwtIssuerSettings: ISSUER,
}
REQUIRED = {"gateway_public_url", "twilio_account_sid", "twilio_auth_token"}


def is_list(field: FieldInfo) -> bool:
    return any(
        get_origin(each) is tuple for each in (field.annotation, *get_args(field.annotation))
    )


FIELDS_OF_ROWS = [
    pytest.param(model, name, field, id=f"{model.__name__}.{name}")
    for model in ROWS
    for name, field in model.model_fields.items()
]


@pytest.mark.parametrize("blank", BLANK, ids=repr)
@pytest.mark.parametrize("name", Settings.model_fields)
def test_blank_variable_counts_as_unset(
    monkeypatch: pytest.MonkeyPatch, name: str, blank: str
) -> None:
    if name not in REQUIRED:
        with_blank = read(monkeypatch, **{name.upper(): blank})
        assert with_blank == read(monkeypatch)
        assert with_blank.accounts == read(monkeypatch).accounts
        return
    with pytest.raises(ValidationError) as refused:
        read(monkeypatch, **{name.upper(): blank})
    [line] = explain(refused.value).splitlines()
    assert line.startswith(f"{name.upper()}: not set: set it")


def test_all_blank_variables_count_as_unset_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose and Helm write every variable that their user left out."""
    blank = {name.upper(): "" for name in Settings.model_fields if name not in REQUIRED}
    assert read(monkeypatch, **blank) == read(monkeypatch)


@pytest.mark.parametrize(("model", "name", "field"), FIELDS_OF_ROWS)
@pytest.mark.parametrize("blank", [None, *BLANK], ids=repr)
def test_blank_or_null_field_of_a_row_counts_as_unset(
    model: type[Values], name: str, field: FieldInfo, blank: str | None
) -> None:
    row = ROWS[model]
    if field.is_required() or (is_list(field) and blank is not None):
        # A text is no list: a key whose `rooms` were unset could access all of them.
        with pytest.raises(ValidationError) as refused:
            model.model_validate(row | {name: blank})
        [error] = refused.value.errors()
        assert error["loc"] == (name,)
        assert error["type"] == ("missing" if field.is_required() else "tuple_type")
    else:
        assert model.model_validate(row | {name: blank}) == model.model_validate(row)


@pytest.mark.parametrize("blank", BLANK, ids=repr)
def test_blank_item_of_a_list_is_refused(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(
            monkeypatch,
            GATEWAY_ALLOWED_ORIGINS=json.dumps(["https://app.example", blank]),
            GATEWAY_API_KEYS=json.dumps([KEY | {"rooms": [blank]}]),
        )
    assert explain(refused.value).splitlines() == [
        "GATEWAY_API_KEYS[0].rooms[0]: must not be blank",
        "GATEWAY_ALLOWED_ORIGINS[1]: must not be blank",
    ]


@pytest.mark.parametrize("name", Settings.model_fields)
@pytest.mark.parametrize("odd", "\n\r\t\x01\x7f\x85\u2028\u200b\ufeff\udcff", ids=ascii)
def test_invisible_character_in_a_variable_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, odd: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        read(monkeypatch, **{name.upper(): f"canary{odd}canary"})
    [line] = explain(refused.value).splitlines()
    assert line == (
        f"{name.upper()}: contains a line break, a control character or another invisible "
        "character: remove it"
    )


@pytest.mark.parametrize(("model", "name", "field"), FIELDS_OF_ROWS)
@pytest.mark.parametrize("odd", "\0\n\u200b\ud800", ids=ascii)
def test_invisible_character_in_a_row_is_refused_by_name(
    model: type[Values], name: str, field: FieldInfo, odd: str
) -> None:
    text = f"canary{odd}canary"
    value: Any = [text] if is_list(field) and "rooms" in name else text
    with pytest.raises(ValidationError) as refused:
        model.model_validate(ROWS[model] | {name: value})
    assert "invisible" in str(refused.value)
    assert "canary" not in str(refused.value)


SAMPLES = {
    "TWILIO_SECONDARY_AUTH_TOKEN": "second",
    "TWILIO_VIDEO_BASE_URL": "http://127.0.0.1:1",
    "GATEWAY_REDIS_URL": "redis://127.0.0.1",
    "GATEWAY_DATA_DIR": "data",
    "GATEWAY_ALLOW_EVICTION": "1",
    "GATEWAY_SECRET": "with spaces",
    "GATEWAY_PREVIOUS_SECRET": "old",
    "GATEWAY_API_KEYS": json.dumps([KEY]),
    "GATEWAY_JWT_ISSUERS": json.dumps([ISSUER]),
    "GATEWAY_ALLOWED_ORIGINS": '["https://app.example"]',
    "GATEWAY_READ_QUOTA": "40",
    "GATEWAY_QUOTA_WAIT_S": "1.5",
    "GATEWAY_RECONCILE": "off",
    **MINIMUM,
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("end", ["\n", "\r\n", " "], ids=ascii)
def test_space_around_a_value_is_dropped(
    monkeypatch: pytest.MonkeyPatch, name: str, end: str
) -> None:
    value = SAMPLES[name]
    with_space = read(monkeypatch, **{name: f" {value}{end}"})
    assert with_space == read(monkeypatch, **{name: value})
    assert with_space.accounts == read(monkeypatch, **{name: value}).accounts


@pytest.mark.parametrize("token", ['"token"', "'token'", "to ken", "tokén", "token\u200d"])
@pytest.mark.parametrize(
    "name",
    [
        "TWILIO_AUTH_TOKEN",
        "TWILIO_SECONDARY_AUTH_TOKEN",
        "TWILIO_API_KEY_SID",
        "TWILIO_API_KEY_SECRET",
    ],
)
def test_credential_of_twilio_that_cannot_be_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, token: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        read(monkeypatch, **{name: token})
    assert explain(refused.value).startswith(f"{name}: must consist of printable ASCII")
    assert token not in str(refused.value)


def test_joiners_are_part_of_a_text() -> None:
    assert clean_text(" نیم\u200cفاصله ") == "نیم\u200cفاصله"
    with pytest.raises(ValueError, match="invisible"):
        clean_text("zero\u200bwidth")


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ('["https://a.example", "https://b.example"]', ("https://a.example", "https://b.example")),
        ("https://a.example", ("https://a.example",)),
        ("https://a.example, https://b.example,", ("https://a.example", "https://b.example")),
        ("[]", ()),
        (",", ()),
    ],
)
def test_list_of_texts_is_json_or_has_commas(
    monkeypatch: pytest.MonkeyPatch, value: str, origins: tuple[str, ...]
) -> None:
    settings = read(monkeypatch, GATEWAY_ALLOWED_ORIGINS=value)
    assert settings.gateway_allowed_origins == origins


@pytest.mark.parametrize("name", ["GATEWAY_API_KEYS", "GATEWAY_JWT_ISSUERS"])
def test_null_list_counts_as_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert read(monkeypatch, **{name: "null"}) == read(monkeypatch)


@pytest.mark.parametrize(
    ("name", "value", "start"),
    [
        ("GATEWAY_ALLOWED_ORIGINS", "[", 'give a JSON list such as ["https://app.example.com"]'),
        ("GATEWAY_ALLOWED_ORIGINS", "[" * 100_000, "give a JSON list such as "),
        ("GATEWAY_API_KEYS", "web", 'give a JSON list such as [{"id": "web", "sha256": "…"'),
        ("GATEWAY_API_KEYS", json.dumps(KEY), 'give a JSON list such as [{"id": "web"'),
        ("GATEWAY_API_KEYS", '"web"', 'give a JSON list such as [{"id": "web"'),
        ("GATEWAY_JWT_ISSUERS", "{", 'give a JSON list such as [{"issuer": "https:'),
    ],
)
def test_refused_list_shows_an_example(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, start: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        read(monkeypatch, **{name: value})
    assert explain(refused.value).startswith(f"{name}: {start}")


@pytest.mark.parametrize(
    "value", ["app.example", '"https://a.example"', "*", "https://a/b", "null"]
)
def test_what_is_no_origin_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(monkeypatch, GATEWAY_ALLOWED_ORIGINS=value)
    assert explain(refused.value) == (
        "GATEWAY_ALLOWED_ORIGINS[0]: must be the origin of a page, such as https://app.example.com"
    )


def test_accounts_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps({"accounts": [ROWS[AccountSettings]]}), encoding="utf-8-sig")
    assert len(read_accounts(file)) == 1


def test_forged_cursor_secret_is_never_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a blank secret, anybody could make cursors."""
    blank = read(monkeypatch, GATEWAY_SECRET="", GATEWAY_PREVIOUS_SECRET=" ")
    assert blank.accounts[0].cursor_secrets == ("token",)


def test_blank_account_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError) as refused:
        read_exactly(monkeypatch, dict.fromkeys(MINIMUM, ""))
    lines = explain(refused.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == list(MINIMUM)
