from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from gateway.core.addresses import Network
from gateway.core.errors import Throttled
from gateway.core.rooms import AccountSid
from gateway.service.callers.connection_limit import ConnectionLimit
from tests.service.conftest import ADMIN

ADA = replace(ADMIN, id="ada")
BOB = replace(ADMIN, id="bob")


def test_i16_a_caller_gets_no_more_than_its_own_limit() -> None:
    connection_limit = ConnectionLimit("streams", limit=10, per_caller=2)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connection_limit.enter(ADA))
        with (
            pytest.raises(Throttled, match="this caller already has 2 streams open") as refused,
            connection_limit.enter(ADA),
        ):
            pass
        assert refused.value.retry_after_ms
        with connection_limit.enter(BOB):
            pass


def test_i16_a_network_stands_for_a_caller_without_a_credential() -> None:
    connection_limit = ConnectionLimit("health watches", limit=10, per_caller=1)
    with (
        connection_limit.enter(Network("192.0.2.7")),
        connection_limit.enter(Network("192.0.2.8")),
        pytest.raises(Throttled, match="this caller already has 1 health watches open"),
        connection_limit.enter(Network("192.0.2.7")),
    ):
        pass


def test_i16_every_caller_is_refused_when_the_process_is_full() -> None:
    connection_limit = ConnectionLimit("streams", limit=1, per_caller=2)
    with (
        connection_limit.enter(ADA),
        pytest.raises(Throttled, match="this gateway already has 1 streams open"),
        connection_limit.enter(BOB),
    ):
        pass


def test_leaving_by_an_error_makes_room_too() -> None:
    connection_limit = ConnectionLimit("streams", limit=1, per_caller=1)
    for _ in range(3):
        with suppress(ZeroDivisionError), connection_limit.enter(ADA):
            raise ZeroDivisionError


def test_i12_keys_of_two_accounts_with_one_id_have_separate_limits() -> None:
    connection_limit = ConnectionLimit("streams", limit=2, per_caller=1)
    with (
        connection_limit.enter(ADA),
        connection_limit.enter(replace(ADA, account_sid=AccountSid("AC" + "b" * 32))),
    ):
        pass


def test_i16_no_state_is_kept_of_callers_that_left() -> None:
    connection_limit = ConnectionLimit("streams", limit=2, per_caller=1)
    for number in range(3):
        with connection_limit.enter(replace(ADA, id=str(number))):
            pass
    assert not connection_limit._open_by_caller


def test_without_a_caller_only_the_limit_of_the_process_applies() -> None:
    connection_limit = ConnectionLimit("health checks", limit=2, per_caller=1)
    with (
        connection_limit.enter(),
        connection_limit.enter(),
        pytest.raises(Throttled, match="already has 2 health checks"),
        connection_limit.enter(),
    ):
        pass


def test_without_a_limit_per_caller_one_caller_may_fill_the_process() -> None:
    connection_limit = ConnectionLimit("calls", limit=2)
    with (
        connection_limit.enter(ADA),
        connection_limit.enter(ADA),
        pytest.raises(Throttled, match="this gateway"),
        connection_limit.enter(ADA),
    ):
        pass
