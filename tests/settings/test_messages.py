"""Messages about settings are the gateway's own, for every setting and odd value."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings.environment import Settings, explain
from gateway.settings.messages import UNKNOWN, describe, field_path
from gateway.settings.values import Values
from tests.settings.test_environment import read
from tests.settings.test_values import ROWS

TEXTS = [
    *("x", "-1", "0", "1.5", "nan", "inf", "1e400", "9" * 400, "9" * 5_000, "true", "null"),
    *("[]", "[1]", "[[]]", "[{}]", '[""]', "{", "{}", '["x"]', '[{"id": 1, "x": 2}]'),
    *("http://", "ftp://host", "http://[", "http://host:99999", "https://" + "x" * 70_000),
    "/nowhere/at/all",
]
VALUES = [*TEXTS, 1, -1, 1.5, 10**400, float("nan"), True, [], [1], ["x"], [None], {}, {"x": 1}]
# Words of pydantic and of Python.
FOREIGN = re.compile(
    r"Input should|Value error|Field required|Extra inputs|[Ss]tring should|[Tt]uple|dictionar"
    r"|pydantic|instance of|SecretStr|None|NoneType|boolean|integer|Traceback|\bdict\b|\bstr\b"
)


def check(message: str) -> None:
    assert FOREIGN.search(message) is None, message
    assert UNKNOWN not in message


def faults(model: type[Values], row: dict[str, Any]) -> Iterator[str]:
    try:
        model.model_validate(row)
    except ValidationError as refused:
        for error in refused.errors():
            yield f"{field_path(error['loc'])}: {describe(error)}"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_message_about_a_variable_is_our_own(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for text in TEXTS:
        try:
            read(monkeypatch, **{name.upper(): text})
        except ValidationError as refused:
            message = explain(refused)
            assert name.upper() in message
            check(message)


@pytest.mark.parametrize("model", ROWS)
def test_message_about_a_row_is_our_own(model: type[Values]) -> None:
    for name in model.model_fields:
        for value in VALUES:
            for message in faults(model, ROWS[model] | {name: value}):
                check(message)


def test_messages_say_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"id": "", "sha256": "0", "scopes": ["x"], "limit": 1, "colour": "red"}
    with pytest.raises(ValidationError) as refused:
        read(
            monkeypatch,
            TWILIO_ACCOUNT_SID="AC1",
            GATEWAY_PUBLIC_URL="rooms.example",
            GATEWAY_API_KEYS=json.dumps([key]),
            GATEWAY_READ_QUOTA="1",
            GATEWAY_CONCURRENCY="many",
            GATEWAY_QUOTA_WAIT_S="31",
            GATEWAY_RECONCILE="maybe",
            GATEWAY_DEADLINE_S="0",
        )
    assert explain(refused.value).splitlines() == [
        "TWILIO_ACCOUNT_SID: must be an Account SID: AC and 32 hex digits",
        "GATEWAY_PUBLIC_URL: must be a URL such as https://rooms.example.com",
        "GATEWAY_API_KEYS[0].id: is missing",
        "GATEWAY_API_KEYS[0].sha256: must be 64 hex digits in lower case",
        (
            "GATEWAY_API_KEYS[0].scopes[0]: must be one of rooms:read, rooms:write, "
            "events:subscribe, tokens:mint or admin"
        ),
        "GATEWAY_API_KEYS[0].limit: must be at least 100",
        "GATEWAY_API_KEYS[0].colour: is no setting: check its spelling, or remove it",
        "GATEWAY_READ_QUOTA: must be at least 2",
        "GATEWAY_CONCURRENCY: must be a whole number",
        "GATEWAY_QUOTA_WAIT_S: must be at most 30",
        "GATEWAY_RECONCILE: must be 1 or 0",
        "GATEWAY_DEADLINE_S: must be more than 0",
    ]


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("accounts", 0, "api_keys", 1, "sha256"), "accounts[0].api_keys[1].sha256"),
        (("GATEWAY_API_KEYS", 0), "GATEWAY_API_KEYS[0]"),
        ((), ""),
    ],
    ids=str,
)
def test_field_path(location: tuple[int | str, ...], path: str) -> None:
    assert field_path(location) == path
