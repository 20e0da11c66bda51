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
    """A list whose pages are read by their URLs."""

    def __init__(self, *ordinals: int) -> None:
        self.ordinals = list(ordinals)

    def page(self, url: str | None) -> tuple[list[int], dict[str, Any]]:
        assert url is not None
        request = paging.parse(forms.parse(urlsplit(url).query), SECRET)
        items = [Item(ordinal) for ordinal in sorted(self.ordinals, reverse=True)]
        page_items, previous, following = paging.select(items, request)
        meta = paging.meta(
            "http://host/v1/Rooms",
            "rooms",
            [("Status", "in-progress")],
            request,
            (previous, following),
            SECRET,
        )
        return [item.ordinal for item in page_items], meta


def test_pages_can_be_walked_to_the_end_and_back() -> None:
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


def test_empty_list_has_no_other_pages() -> None:
    page_items, meta = List().page("?")

    assert page_items == []
    assert meta == {
        "page": 0,
        "page_size": 50,
        "first_page_url": "http://host/v1/Rooms?Status=in-progress&PageSize=50&Page=0",
        "previous_page_url": None,
        "url": "http://host/v1/Rooms?Status=in-progress&PageSize=50&Page=0",
        "next_page_url": None,
        "key": "rooms",
    }


def test_full_last_page_has_no_next_page() -> None:
    assert List(1, 2).page("?PageSize=2")[1]["next_page_url"] is None


def test_rooms_created_or_ended_between_pages_neither_repeat_nor_hide_others() -> None:
    rooms = List(1, 2, 3, 4, 5)
    _, meta = rooms.page("?PageSize=2")
    rooms.ordinals = [1, 2, 3, 6, 7]

    second, meta = rooms.page(meta["next_page_url"])

    assert second == [3, 2]
    assert rooms.page(meta["previous_page_url"])[0] == [7, 6]


def test_empty_page_after_all_rooms_ended_links_to_the_previous_page() -> None:
    rooms = List(1, 2, 3)
    _, meta = rooms.page("?PageSize=2")
    rooms.ordinals = [2, 3]

    page_items, meta = rooms.page(meta["next_page_url"])

    assert (page_items, meta["next_page_url"]) == ([], None)
    assert rooms.page(meta["previous_page_url"])[0] == [3, 2]


def test_too_large_page_size_is_reduced_to_the_maximum() -> None:
    assert paging.parse(forms.parse("PageSize=5000"), SECRET).size == 1000


@pytest.mark.parametrize("query", ["PageSize=0", "PageSize=many", "Page=-1", "Page=one"])
def test_invalid_page_size_or_number_is_20001(query: str) -> None:
    with pytest.raises(TwilioError) as caught:
        paging.parse(forms.parse(query), SECRET)

    assert caught.value.code == 20001


def test_page_without_a_token_is_70002() -> None:
    with pytest.raises(TwilioError) as caught:
        paging.parse(forms.parse("Page=1"), SECRET)

    assert caught.value.code == 70002


@pytest.mark.parametrize("token", ["x", "PAx", "UEE1Lg", "%FF", "ä", "...."])
def test_forged_token_is_21481(token: str) -> None:
    with pytest.raises(TwilioError) as caught:
        paging.parse(forms.parse(f"PageToken={token}"), SECRET)

    assert caught.value.code == 21481


def test_token_of_another_list_is_21481() -> None:
    _, meta = List(1, 2).page("?PageSize=1")
    query = urlsplit(meta["next_page_url"]).query
    assert parse_qs(query)["Page"] == ["1"]

    with pytest.raises(TwilioError) as caught:
        paging.parse(forms.parse(query), b"another")

    assert caught.value.code == 21481
