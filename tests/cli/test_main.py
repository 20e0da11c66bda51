"""What `tests/flows/test_command_line.py` does not show: it runs whole commands, this one their parts."""

import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from gateway.app.server import bind
from gateway.cli.main import _row, _write, cli
from gateway.core.callers import Caller, Scope
from gateway.gql.execution.graphql_core import print_schema
from gateway.service.callers.authenticator import ApiKey, Authenticator
from gateway.settings.environment import Settings
from tests.service.conftest import ACCOUNT

SERVE = {
    "TWILIO_ACCOUNT_SID": ACCOUNT,
    "TWILIO_AUTH_TOKEN": "canary",
    "GATEWAY_PUBLIC_URL": "https://rooms.example",
    "GATEWAY_API_KEYS": json.dumps([_row("test", "rgk_test").model_dump(exclude_none=True)]),
    "GATEWAY_REDIS_URL": "redis://127.0.0.1:1",
}


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def say(*arguments: str, **environment: str) -> tuple[int, str, str]:
    unset = dict.fromkeys((name.upper() for name in Settings.model_fields), None)
    result = CliRunner().invoke(cli, arguments, env=unset | environment)
    return result.exit_code, result.stdout, result.stderr


async def test_a_made_key_opens_with_its_row_and_is_in_no_row() -> None:
    code, out, _ = say("apikey", "console")
    made = json.loads(out)
    assert code == 0
    assert made["api_key"].startswith("rgk_")
    assert made["api_key"] not in json.dumps(made["row"])
    caller = Caller(ACCOUNT, made["row"]["id"], frozenset(map(Scope, made["row"]["scopes"])))
    authenticator = Authenticator([ApiKey(made["row"]["sha256"], caller)])
    assert (await authenticator.caller(authorization=None, api_key=made["api_key"])).id == "console"


def test_keys_differ() -> None:
    assert say("apikey")[1] != say("apikey")[1]


def test_the_schema_goes_to_standard_output_alone() -> None:
    assert say("schema") == (0, print_schema(), "")


def test_without_a_command_the_commands_are_listed() -> None:
    _, out, err = say()
    for command in ("dev", "serve", "sandbox", "schema", "apikey"):
        assert command in out + err


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"TWILIO_ACCOUNT_SID": "AC1"}, "TWILIO_ACCOUNT_SID"),
        ({"GATEWAY_PUBLIC_URL": "https://rooms.example/?x=1"}, "GATEWAY_PUBLIC_URL"),
        ({"TWILIO_API_KEY_SID": "SK1"}, "TWILIO_API_KEY_SECRET"),
        ({"GATEWAY_REDIS_URL": "http://127.0.0.1"}, "GATEWAY_REDIS_URL"),
        ({}, "Redis"),
    ],
    ids=["account", "public url", "half a key", "scheme", "no redis"],
)
def test_serve_refuses_with_2_and_a_sentence(changes: dict[str, str], word: str) -> None:
    code, _, err = say(
        "serve", "--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0", **SERVE | changes
    )
    assert code == 2
    assert word in err
    assert "Traceback" not in err
    assert "canary" not in err


def test_serve_names_the_address_that_is_taken() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        code, _, err = say("serve", "--host", "127.0.0.1", "--http-port", port, **SERVE)
    assert code == 2
    assert "cannot listen on 127.0.0.1" in err


@pytest.mark.parametrize(
    "arguments", [("dev", "--http-port"), ("dev", "--sandbox-port"), ("sandbox", "--sandbox-port")]
)
def test_so_do_the_other_commands(arguments: tuple[str, ...]) -> None:
    with bind("127.0.0.1", 0) as taken:
        code, _, err = say(*arguments, str(taken.getsockname()[1]))
    assert code == 2
    assert "cannot listen on 127.0.0.1" in err


@pytest.mark.parametrize("variable", ["GATEWAY_READ_QUOTA", "GATEWAY_ALLOWED_ORIGINS"])
def test_dev_too_says_which_variable_is_off(variable: str) -> None:
    code, _, err = say("dev", "--http-port", "0", "--sandbox-port", "0", **{variable: "lots"})
    assert code == 2
    assert variable.lower() in err.lower()
    assert "Traceback" not in err


def test_the_ready_file_is_its_owners_alone_and_never_half_there(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text("from yesterday")
    _write(path, {"pid": 1})
    assert json.loads(path.read_text()) == {"pid": 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_row_holds_the_digest_and_not_the_key() -> None:
    row = _row("test", "rgk_test")
    assert row.sha256 == hashlib.sha256(b"rgk_test").hexdigest()
    assert "rgk_test" not in row.model_dump_json()
