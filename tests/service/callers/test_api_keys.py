import hashlib
from dataclasses import replace

from gateway.core.callers import Caller, Scope
from gateway.core.rooms import AccountSid
from gateway.service.callers.api_keys import ApiKey, ApiKeys

ACCOUNT = AccountSid("AC0123456789abcdef0123456789abcdef")
READER = Caller(ACCOUNT, "reader", frozenset({Scope.ROOMS_READ}))
WRITER = Caller(ACCOUNT, "writer", frozenset({Scope.ROOMS_WRITE}))
KEYS = ApiKeys(
    [
        ApiKey(hashlib.sha256(b"rgk_reader").hexdigest(), READER),
        ApiKey(hashlib.sha256(b"rgk_writer").hexdigest(), WRITER),
    ]
)


def test_a_key_belongs_to_its_caller() -> None:
    assert KEYS.caller("rgk_writer") is WRITER
    assert KEYS.caller("rgk_reader") is READER


def test_an_unknown_key_belongs_to_no_caller() -> None:
    digest = hashlib.sha256(b"rgk_reader").hexdigest()
    for key in ("rgk_readers", "rgk_reade", "", digest, "\ud800"):
        assert KEYS.caller(key) is None
    assert ApiKeys([]).caller("rgk_reader") is None


def test_a_caller_is_known_while_a_key_gives_the_same_rights() -> None:
    assert KEYS.has(READER)
    assert not KEYS.has(replace(READER, grants=frozenset({"daily"})))
    assert not ApiKeys([]).has(READER)
