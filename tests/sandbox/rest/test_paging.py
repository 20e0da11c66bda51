from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.sandbox import forms
from gateway.sandbox.errors import TwilioError
from gateway.sandbox.rest import paging

SECRET = b"secret"


@dataclass(frozen=True)
class Item:
    ordinal: int


class List:
    """A list that is walked by its URLs."""

    def __init__(self, *ordinals: int) -> None:
        self.ordinals = list(ordinals)

    def page(self, url: str | None) -> tuple[list[int], dict[str, Any]]:
        assert url is not None
        want = paging.wanted(forms.parse(urlsplit(url).query), SECRET)
        items = [Item(ordinal) for ordinal in sorted(self.ordinals, reverse=True)]
        shown, before, after = paging.page(items, want)
        meta = paging.meta(
            "http://host/v1/Rooms",
            "rooms",
            [("Status", "in-progress")],
            want,
            (before, after),
            SECRET,
        )
        return [item.ordinal for item in shown], meta


def test_pages_follow_each_other_to_the_end_and_back() -> None:
    rooms = List(1, 2, 3, 4, 5)

    first, meta = rooms.page("?PageSize=2")
    assert (first, meta["previous_page_url"]) == ([5, 4], None)
    second, meta = rooms.page(meta["next_page_url"])
    assert second == [3, 2]
    third, meta = rooms.page(meta["next_page_url"])
    assert (third, meta["next_page_url"]) == ([1], None)
    second, meta = rooms.page(meta["previous_page_url"])
    assert second == [3, 2]
    first, meta = rooms.page(meta["previous_page_url"])
    assert (first, meta["previous_page_url"], meta["page"]) == ([5, 4], None, 0)


def test_an_empty_list_has_no_neighbours() -> None:
    shown, meta = List().page("?")

    assert shown == []
    assert meta == {
        "page": 0,
        "page_size": 50,
        "first_page_url": "http://host/v1/Rooms?Status=in-progress&PageSize=50&Page=0",
        "previous_page_url": None,
        "url": "http://host/v1/Rooms?Status=in-progress&PageSize=50&Page=0",
        "next_page_url": None,
        "key": "rooms",
    }


def test_a_page_that_ends_with_the_list_has_no_next_one() -> None:
    assert List(1, 2).page("?PageSize=2")[1]["next_page_url"] is None


def test_rooms_made_and_ended_meanwhile_neither_repeat_nor_hide_others() -> None:
    rooms = List(1, 2, 3, 4, 5)
    _, meta = rooms.page("?PageSize=2")
    rooms.ordinals = [1, 2, 3, 6, 7]

    second, meta = rooms.page(meta["next_page_url"])

    assert second == [3, 2]
    assert rooms.page(meta["previous_page_url"])[0] == [7, 6]


def test_a_page_whose_rooms_have_all_ended_is_empty_and_knows_the_way_back() -> None:
    rooms = List(1, 2, 3)
    _, meta = rooms.page("?PageSize=2")
    rooms.ordinals = [2, 3]

    shown, meta = rooms.page(meta["next_page_url"])

    assert (shown, meta["next_page_url"]) == ([], None)
    assert rooms.page(meta["previous_page_url"])[0] == [3, 2]


def test_a_larger_page_than_allowed_is_the_largest() -> None:
    assert paging.wanted(forms.parse("PageSize=5000"), SECRET).size == 1000


@pytest.mark.parametrize("query", ["PageSize=0", "PageSize=many", "Page=-1", "Page=one"])
def test_a_size_or_number_that_is_none_is_refused(query: str) -> None:
    with pytest.raises(TwilioError) as caught:
        paging.wanted(forms.parse(query), SECRET)

    assert caught.value.code == 20001


def test_a_page_without_its_token_is_70002() -> None:
    with pytest.raises(TwilioError) as caught:
        paging.wanted(forms.parse("Page=1"), SECRET)

    assert caught.value.code == 70002


@pytest.mark.parametrize("token", ["x", "PAx", "UEE1Lg", "%FF", "ä", "...."])
def test_a_token_that_was_made_up_is_21481(token: str) -> None:
    with pytest.raises(TwilioError) as caught:
        paging.wanted(forms.parse(f"PageToken={token}"), SECRET)

    assert caught.value.code == 21481


def test_a_token_of_another_list_is_21481() -> None:
    _, meta = List(1, 2).page("?PageSize=1")
    query = urlsplit(meta["next_page_url"]).query
    assert parse_qs(query)["Page"] == ["1"]

    with pytest.raises(TwilioError) as caught:
        paging.wanted(forms.parse(query), b"another")

    assert caught.value.code == 21481
