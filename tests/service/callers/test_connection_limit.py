from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from gateway.core.errors import Throttled
from gateway.service.callers.connection_limit import ConnectionLimit
from tests.service.conftest import ANYBODY

ADA = replace(ANYBODY, id="ada")
BOB = replace(ANYBODY, id="bob")


def test_i16_a_caller_may_take_its_part_and_no_more() -> None:
    connection_limit = ConnectionLimit("streams", limit=10, per_caller=2)
    with ExitStack() as inside:
        for _ in range(2):
            inside.enter_context(connection_limit.enter(ADA))
        with (
            pytest.raises(Throttled, match="this caller has its 2 streams open") as refused,
            connection_limit.enter(ADA),
        ):
            pass
        assert refused.value.retry_after_ms
        with connection_limit.enter(BOB):
            pass


def test_i16_when_all_is_taken_everybody_is_sent_away() -> None:
    connection_limit = ConnectionLimit("streams", limit=1, per_caller=2)
    with (
        connection_limit.enter(ADA),
        pytest.raises(Throttled, match="this gateway has its 1 streams open"),
        connection_limit.enter(BOB),
    ):
        pass


def test_who_leaves_makes_room_however_that_comes_about() -> None:
    connection_limit = ConnectionLimit("streams", limit=1, per_caller=1)
    for _ in range(3):
        with suppress(ZeroDivisionError), connection_limit.enter(ADA):
            raise ZeroDivisionError


def test_i12_callers_of_two_accounts_are_two_though_their_keys_are_named_alike() -> None:
    connection_limit = ConnectionLimit("streams", limit=2, per_caller=1)
    with (
        connection_limit.enter(ADA),
        connection_limit.enter(replace(ADA, account_sid="AC" + "b" * 32)),
    ):
        pass


def test_i16_nothing_is_remembered_of_who_has_left() -> None:
    connection_limit = ConnectionLimit("streams", limit=2, per_caller=1)
    for number in range(3):
        with connection_limit.enter(replace(ADA, id=str(number))):
            pass
    assert not connection_limit._inside
