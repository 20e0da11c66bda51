from itertools import pairwise

import pytest

from gateway.core.cursors import CursorCodec
from gateway.core.errors import CursorExpired, InvalidArgument
from gateway.core.paging import Page
from gateway.core.participants import ParticipantFilter
from gateway.core.recordings import RoomRecordingFilter
from gateway.service.cache.page_cursors import PageCursors
from gateway.twilio.wire.resource import WirePage

CODEC = CursorCodec(("a secret",), "AC" + "0" * 32)
PAGES = PageCursors(CODEC)
# Three of Twilio's pages, by the query that fetches each.
TWILIO: dict[str | None, WirePage[int]] = {
    None: WirePage((1, 2, 3), "second"),
    "second": WirePage((4, 5, 6), "third"),
    "third": WirePage((7,), None),
}


def page(first: int, after: str | None) -> Page[int]:
    position = PAGES.position("a list", first, after)
    return PAGES.page(position, TWILIO[position.query], first)


def read(first: int, after: str | None = None) -> list[int]:
    """Reads everything after the cursor."""
    found = page(first, after)
    items = [item for _, item in found.items]
    assert len(items) <= first
    return items + (read(first, found.end_cursor) if found.has_next_page else [])


@pytest.mark.parametrize("first", [1, 2, 3, 100])
def test_every_page_size_reads_each_item_once(first: int) -> None:
    assert read(first) == [1, 2, 3, 4, 5, 6, 7]


def test_the_cursor_of_an_item_continues_after_it() -> None:
    after: str | None = None
    for item in range(1, 8):
        [(after, found)] = page(1, after).items
        assert (found, read(2, after)) == (item, list(range(item + 1, 8)))


def test_the_page_size_may_change_between_pages() -> None:
    first = page(2, None)
    assert [item for _, item in page(100, first.end_cursor).items] == [3]


def test_an_empty_list_and_the_last_page_have_no_next_page() -> None:
    position = PAGES.position("a list", 10, None)
    nothing: WirePage[int] = WirePage((), None)
    assert PAGES.page(position, nothing, 10) == Page((), None, has_next_page=False)
    last = page(3, page(3, page(3, None).end_cursor).end_cursor)
    assert not last.has_next_page


def test_a_page_of_twilios_that_has_become_shorter_is_continued() -> None:
    """All items before the cursor may have left the list. The items after it must still
    be read."""
    position = PAGES.position("a list", 2, page(2, None).end_cursor)
    shrunk = PAGES.page(position, WirePage((1,), "second"), 2)
    assert (shrunk.items, shrunk.has_next_page) == ((), True)
    assert read(2, shrunk.end_cursor) == [4, 5, 6, 7]


LISTS: list[object] = [
    "a list",
    ("/v1/Rooms/RM1/Participants", ParticipantFilter()),
    ("/v1/Rooms/RM1/Participants", ParticipantFilter(identity="ada")),
    ("/v1/Rooms/RM2/Participants", ParticipantFilter()),
    ("/v1/Rooms/RM1/Recordings", RoomRecordingFilter()),
    ("/v1/Rooms/RM1/Transcriptions", None),
]


def test_a_cursor_is_refused_by_every_other_list_and_filter() -> None:
    for list_ in LISTS:
        position = PAGES.position(list_, 2, None)
        cursor = PAGES.page(position, WirePage((1, 2, 3), None), 2).end_cursor
        for other in LISTS:
            if other == list_:
                PAGES.position(other, 2, cursor)
                continue
            with pytest.raises(InvalidArgument):
                PAGES.position(other, 2, cursor)


@pytest.mark.parametrize("first", [0, -1, 101])
def test_a_page_has_1_to_100_items(first: int) -> None:
    with pytest.raises(InvalidArgument):
        PAGES.position("a list", first, None)


def test_a_changed_or_foreign_cursor_is_refused() -> None:
    cursor = page(2, None).end_cursor
    assert cursor is not None
    changed = [cursor[:-1] + ("A" if cursor[-1] != "A" else "B"), cursor[:-4], "", "junk"]
    foreign = PageCursors(CursorCodec(("a secret",), "AC" + "1" * 32))
    for token in [
        *changed,
        foreign.page(foreign.position("a list", 2, None), TWILIO[None], 2).end_cursor,
    ]:
        with pytest.raises(InvalidArgument):
            PAGES.position("a list", 2, token)


def test_a_cursor_of_another_release_has_expired() -> None:
    with pytest.raises(CursorExpired):
        PAGES.position("a list", 2, CODEC.page_cursor(b'{"made": "otherwise"}'))


def test_all_cursors_of_a_page_differ() -> None:
    cursors = [cursor for cursor, _ in page(3, None).items]
    assert all(left != right for left, right in pairwise(cursors))
