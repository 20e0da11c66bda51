from collections.abc import Callable
from functools import partial

import pytest

from gateway.sandbox import Account
from gateway.sandbox.errors import TwilioError
from gateway.sandbox.forms import Form, parse
from gateway.sandbox.rest.requests import (
    RestRequest,
    date_filter,
    enum_value,
    enum_values,
    page,
    required,
    sids,
)
from gateway.sandbox.world.model import RoomStatus, RoomType, Subscription
from tests.sandbox.conftest import instant

SID = "RM" + "0aF" * 10 + "11"


def request_for(query: str = "", *segments: str) -> RestRequest:
    return RestRequest(
        Account.generate(), "GET", segments or ("Rooms",), parse(query), Form(), "http://gw"
    )


def code_of(action: Callable[[], object]) -> int:
    with pytest.raises(TwilioError) as caught:
        action()
    return caught.value.code


def test_not_found_names_the_path() -> None:
    error = request_for("", "Rooms", "x").not_found()

    assert (error.code, str(error)) == (20404, "The requested resource /Rooms/x was not found")


def test_required_parameter_may_be_empty_but_not_missing() -> None:
    assert required(parse("Status="), "Status") == ""
    assert code_of(lambda: required(parse("status=completed"), "Status")) == 20001


def test_enum_values_are_validated() -> None:
    assert enum_value(parse("Status=completed"), "Status", RoomStatus) is RoomStatus.COMPLETED
    assert enum_value(parse("Status="), "Status", RoomStatus) is None
    assert enum_values(parse("Type=go&Type=group&Type="), "Type", RoomType) == {
        RoomType.GO,
        RoomType.GROUP,
    }
    assert code_of(lambda: enum_value(parse("Status=Completed"), "Status", RoomStatus)) == 20001
    assert code_of(lambda: enum_values(parse("Type=go&Type=huge"), "Type", RoomType)) == 20001


def test_sids_have_two_letters_and_32_digits() -> None:
    assert sids(parse(f"S={SID}&S={SID}"), "S") == [SID, SID]
    for bad in ("", SID[:-1], SID + "0", "R1" + SID[2:], SID[:-1] + "g", SID + "%0A"):
        form = parse(f"S={bad}")
        assert code_of(partial(sids, form, "S")) == 20001


def test_date_filter_is_on_or_after_and_before() -> None:
    is_in_range = date_filter(
        parse("CreatedAfter=2026-01-02T03:04:05Z&CreatedBefore=2026-01-02T03:04:06Z"), "Created"
    )

    assert [is_in_range(instant(second).wall) for second in (-1, 0, 1)] == [False, True, False]


def test_page_url_repeats_every_filter_value_and_quotes_the_path() -> None:
    request = request_for(
        f"GroupingSid={SID}&GroupingSid={SID}&Other=1", "Rooms", "a room", "Recordings"
    )
    no_items: list[Subscription] = []
    body = page(request, "recordings", no_items, lambda _: {}, ("GroupingSid",), max_size=100).body

    assert body["recordings"] == []
    assert body["meta"]["url"] == (
        f"http://gw/v1/Rooms/a%20room/Recordings?GroupingSid={SID}&GroupingSid={SID}&PageSize=50&Page=0"
    )


def test_page_size_is_limited_by_the_list() -> None:
    no_items: list[Subscription] = []

    def size(query: str, max_size: int) -> int:
        body = page(request_for(query), "x", no_items, lambda _: {}, max_size=max_size).body
        return int(body["meta"]["page_size"])

    assert [size(f"PageSize={n}", 100) for n in (1, 99, 100, 101)] == [1, 99, 100, 100]
    assert [size(f"PageSize={n}", 1000) for n in (1000, 1001)] == [1000, 1000]
    assert code_of(lambda: size("PageSize=0", 100)) == 20001


def test_filter_that_is_not_utf8_is_20001() -> None:
    no_items: list[Subscription] = []

    assert (
        code_of(
            lambda: page(request_for("RoomName=%FF"), "x", no_items, lambda _: {}, ("RoomName",))
        )
        == 20001
    )
