import json

import pytest

from gateway.app.server import bind
from gateway.cli.keys import api_key_row
from tests.cli.conftest import run
from tests.service.conftest import ACCOUNT

SERVE = {
    "TWILIO_ACCOUNT_SID": ACCOUNT,
    "TWILIO_AUTH_TOKEN": "canary",
    "GATEWAY_PUBLIC_URL": "https://rooms.example",
    "GATEWAY_API_KEYS": json.dumps([api_key_row("test", "rgk_test").model_dump(exclude_none=True)]),
    "GATEWAY_REDIS_URL": "redis://127.0.0.1:1",
}
FREE_PORTS = ("--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0", "--exit-if-redis-away")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"TWILIO_ACCOUNT_SID": "AC1"}, "TWILIO_ACCOUNT_SID"),
        ({"GATEWAY_PUBLIC_URL": "https://rooms.example/?x=1"}, "GATEWAY_PUBLIC_URL"),
        ({"TWILIO_API_KEY_SID": "SK1"}, "TWILIO_API_KEY_SECRET"),
        ({"GATEWAY_API_KEYS": "[]"}, "GATEWAY_API_KEYS"),
        ({"TWILIO_AUTH_TOKEN": ""}, "TWILIO_AUTH_TOKEN: not set"),
        ({"GATEWAY_PUBLIC_URL": " "}, "GATEWAY_PUBLIC_URL: not set"),
        ({"TWILIO_AUTH_TOKEN": "canary\ncanary"}, "TWILIO_AUTH_TOKEN: contains a line break"),
        ({"GATEWAY_REDIS_URL": "http://127.0.0.1"}, "GATEWAY_REDIS_URL"),
        ({}, "Redis"),
    ],
    ids=[
        "account SID",
        "public URL",
        "half an API key",
        "no key",
        "blank token",
        "blank URL",
        "line break in token",
        "Redis scheme",
        "no Redis",
    ],
)
def test_a_start_error_is_one_message_and_exit_status_2(changes: dict[str, str], word: str) -> None:
    code, _, err = run("serve", *FREE_PORTS, **SERVE | changes)
    assert code == 2
    assert word in err
    assert "Traceback" not in err
    assert "canary" not in err


def test_a_port_in_use_is_an_error() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        code, _, err = run("serve", "--host", "127.0.0.1", "--http-port", port, **SERVE)
    assert code == 2
    assert "cannot listen on 127.0.0.1" in err
