from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from gateway.core.errors import Throttled
from gateway.service.callers.connection_limit import Admission
from tests.service.conftest import ANYBODY

ADA = replace(ANYBODY, id="ada")
BOB = replace(ANYBODY, id="bob")


def test_i16_a_caller_may_take_its_part_and_no_more() -> None:
    admission = Admission("streams", limit=10, per_caller=2)
    with ExitStack() as inside:
        for _ in range(2):
            inside.enter_context(admission.enter(ADA))
        with pytest.raises(Throttled, match="this caller has its 2 streams open") as refused, admission.enter(ADA):
            pass
        assert refused.value.retry_after_ms
        with admission.enter(BOB):
            pass


def test_i16_when_all_is_taken_everybody_is_sent_away() -> None:
    admission = Admission("streams", limit=1, per_caller=2)
    with (
        admission.enter(ADA),
        pytest.raises(Throttled, match="this gateway has its 1 streams open"),
        admission.enter(BOB),
    ):
        pass


def test_who_leaves_makes_room_however_that_comes_about() -> None:
    admission = Admission("streams", limit=1, per_caller=1)
    for _ in range(3):
        with suppress(ZeroDivisionError), admission.enter(ADA):
            raise ZeroDivisionError


def test_i12_callers_of_two_accounts_are_two_though_their_keys_are_named_alike() -> None:
    admission = Admission("streams", limit=2, per_caller=1)
    with admission.enter(ADA), admission.enter(replace(ADA, account_sid="AC" + "b" * 32)):
        pass


def test_i16_nothing_is_remembered_of_who_has_left() -> None:
    admission = Admission("streams", limit=2, per_caller=1)
    for number in range(3):
        with admission.enter(replace(ADA, id=str(number))):
            pass
    assert not admission._inside
