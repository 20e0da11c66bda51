"""The cursors of lists that are read from Twilio's REST API.

Twilio pages by a token for a whole page, and Relay needs a cursor after each item. A
cursor of ours names one of Twilio's pages and an offset in it. It is encrypted and
authenticated, so callers cannot choose what is sent to Twilio.
"""

import hashlib
from typing import TypeVar

import msgspec

from gateway.core.cursors import CursorCodec, other_list
from gateway.core.errors import CursorExpired
from gateway.core.paging import Page, checked_first
from gateway.twilio.wire.resource import WirePage

T = TypeVar("T")


def list_digest(list_identity: object) -> str:
    """Returns a digest that differs between any two lists."""
    return hashlib.blake2b(msgspec.json.encode(list_identity), digest_size=8).hexdigest()


class PagePosition(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins: after `skip` items of Twilio's page.

    `query` fetches that page; None fetches the first one, with `size` items.
    `list_digest` identifies the list and its filter.
    """

    list_digest: str
    size: int
    query: str | None
    skip: int


class PageCursors:
    """Cuts pages for our callers from Twilio's pages."""

    def __init__(self, cursor_codec: CursorCodec) -> None:
        self._cursor_codec = cursor_codec

    def position(self, list_identity: object, first: int, after: str | None) -> PagePosition:
        """Returns where a page of `first` items after the cursor begins.

        Raises InvalidArgument for a cursor of another list or filter and for a `first`
        out of range, and CursorExpired for a cursor that another release of the gateway
        made.
        """
        checked_first(first)
        digest = list_digest(list_identity)
        if after is None:
            return PagePosition(digest, first, None, 0)
        try:
            plain = self._cursor_codec.page_position(after)
            position = msgspec.json.decode(plain, type=PagePosition)
        except msgspec.MsgspecError:
            raise CursorExpired(
                "page cursor has expired: start again from the first page"
            ) from None
        if position.list_digest != digest:
            raise other_list()
        return position

    def page(self, position: PagePosition, listed: WirePage[T], first: int) -> Page[T]:
        """Returns up to `first` items of Twilio's page, from the position on.

        Twilio's page may have become shorter since the cursor was made. An empty page
        then has an `end_cursor` too, if the list continues.
        """
        end = min(position.skip + first, len(listed.items))
        items = tuple(
            (self._cursor(position, listed, offset + 1), listed.items[offset])
            for offset in range(position.skip, end)
        )
        has_next = end < len(listed.items) or listed.next_query is not None
        return Page(
            items, self._cursor(position, listed, end) if items or has_next else None, has_next
        )

    def _cursor(self, position: PagePosition, listed: WirePage[T], offset: int) -> str:
        """The cursor after `offset` items of Twilio's page. At its end, that is the
        beginning of the next page."""
        is_at_end = offset >= len(listed.items) and listed.next_query is not None
        query, skip = (listed.next_query, 0) if is_at_end else (position.query, offset)
        following = PagePosition(position.list_digest, position.size, query, skip)
        return self._cursor_codec.page_cursor(msgspec.json.encode(following))
