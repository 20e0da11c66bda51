import pytest

from gateway.sandbox import Account
from gateway.sandbox.errors import TwilioError
from gateway.sandbox.forms import Form, parse
from gateway.sandbox.rest.requests import RestRequest, all_words, dates, page, required, sids, word
from gateway.sandbox.world.model import RoomStatus, RoomType, Subscription
from tests.sandbox.conftest import moment

SID = "RM" + "0aF" * 10 + "11"


def call(query: str = "", *segments: str) -> RestRequest:
    return RestRequest(
        Account.generate(), "GET", segments or ("Rooms",), parse(query), Form(), "http://gw"
    )


def code_of(act: object) -> int:
    assert callable(act)
    with pytest.raises(TwilioError) as caught:
        act()
    return caught.value.code


def test_what_is_missing_is_named_by_its_path() -> None:
    error = call("", "Rooms", "x").missing()

    assert (error.code, str(error)) == (20404, "The requested resource /Rooms/x was not found")


def test_a_required_parameter_may_be_empty_but_not_missing() -> None:
    assert required(parse("Status="), "Status") == ""
    assert code_of(lambda: required(parse("status=completed"), "Status")) == 20001


def test_words_are_of_their_list() -> None:
    assert word(parse("Status=completed"), "Status", RoomStatus) is RoomStatus.COMPLETED
    assert word(parse("Status="), "Status", RoomStatus) is None
    assert all_words(parse("Type=go&Type=group&Type="), "Type", RoomType) == {
        RoomType.GO,
        RoomType.GROUP,
    }
    assert code_of(lambda: word(parse("Status=Completed"), "Status", RoomStatus)) == 20001
    assert code_of(lambda: all_words(parse("Type=go&Type=huge"), "Type", RoomType)) == 20001


def test_sids_have_two_letters_and_32_digits() -> None:
    assert sids(parse(f"S={SID}&S={SID}"), "S") == [SID, SID]
    for bad in ("", SID[:-1], SID + "0", "R1" + SID[2:], SID[:-1] + "g", SID + "%0A"):
        assert code_of(lambda bad=bad: sids(parse(f"S={bad}"), "S")) == 20001


def test_dates_are_on_or_after_the_one_and_before_the_other() -> None:
    is_wanted = dates(
        parse("CreatedAfter=2026-01-02T03:04:05Z&CreatedBefore=2026-01-02T03:04:06Z"), "Created"
    )

    assert [is_wanted(moment(second).wall) for second in (-1, 0, 1)] == [False, True, False]


def test_a_page_repeats_every_value_of_its_filters_and_quotes_its_path() -> None:
    asked = call(f"GroupingSid={SID}&GroupingSid={SID}&Other=1", "Rooms", "a room", "Recordings")
    nothing: list[Subscription] = []
    shown = page(asked, "recordings", nothing, lambda _: {}, ("GroupingSid",), most=100).body

    assert shown["recordings"] == []
    assert shown["meta"]["url"] == (
        f"http://gw/v1/Rooms/a%20room/Recordings?GroupingSid={SID}&GroupingSid={SID}&PageSize=50&Page=0"
    )


def test_a_page_has_no_more_items_than_its_list_allows() -> None:
    nothing: list[Subscription] = []

    def size(asked: str, most: int) -> int:
        body = page(call(asked), "x", nothing, lambda _: {}, most=most).body
        return int(body["meta"]["page_size"])

    assert [size(f"PageSize={n}", 100) for n in (1, 99, 100, 101)] == [1, 99, 100, 100]
    assert [size(f"PageSize={n}", 1000) for n in (1000, 1001)] == [1000, 1000]
    assert code_of(lambda: size("PageSize=0", 100)) == 20001


def test_a_filter_that_is_no_utf8_is_refused() -> None:
    nothing: list[Subscription] = []

    assert (
        code_of(lambda: page(call("RoomName=%FF"), "x", nothing, lambda _: {}, ("RoomName",)))
        == 20001
    )
