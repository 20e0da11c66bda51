import hashlib
import json

import pytest

from gateway.cli.keys import api_key_row, new_api_key
from gateway.core.callers import Caller, Scope
from gateway.service.callers.api_keys import ApiKey
from gateway.service.callers.authenticator import Authenticator
from tests.cli.conftest import run
from tests.service.conftest import ACCOUNT


async def test_create_prints_a_key_and_the_row_that_accepts_it() -> None:
    code, out, _ = run("keys", "create", "console")
    created = json.loads(out)
    assert code == 0
    assert created["api_key"].startswith("rgk_")
    assert created["api_key"] not in json.dumps(created["row"])
    row = created["row"]
    caller = Caller(ACCOUNT, row["id"], frozenset(map(Scope, row["scopes"])))
    authenticator = Authenticator([ApiKey(row["sha256"], caller)])
    found = await authenticator.caller(authorization=None, api_key=created["api_key"])
    assert found.id == "console"


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb"], ids=ascii)
def test_a_name_that_no_row_can_have_is_refused(name: str) -> None:
    code, out, err = run("keys", "create", name)
    assert (code, out) == (2, "")
    assert "NAME" in err


def test_every_new_key_is_different() -> None:
    assert new_api_key() != new_api_key()


def test_a_row_holds_the_digest_and_not_the_key() -> None:
    row = api_key_row("test", "rgk_test")
    assert row.sha256 == hashlib.sha256(b"rgk_test").hexdigest()
    assert "rgk_test" not in row.model_dump_json()
