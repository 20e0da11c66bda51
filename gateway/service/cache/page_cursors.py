"""Our cursors over Twilio's pages.

Twilio pages by a token that stands for a whole page; Relay wants a cursor after each item. Ours says which of Twilio's
pages, and how far into it. It is sealed, so that nobody steers Twilio's paging by hand.
"""

import hashlib
from typing import TypeVar

import msgspec

from gateway.core.cursors import CursorCodec
from gateway.core.errors import CursorExpired, InvalidArgument
from gateway.core.paging import Page, checked_first
from gateway.twilio.wire.resource import Listed

T = TypeVar("T")


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins: `skip` items into Twilio's page of `size` items that `query` stands for (None: the first one)."""

    list_digest: str
    size: int
    query: str | None
    skip: int


class Pages:
    def __init__(self, cursor_codec: CursorCodec) -> None:
        self._cursor_codec = cursor_codec

    def position(self, which: object, first: int, after: str | None) -> Position:
        """`which` names the list with its filters. Raises InvalidArgument for a cursor of another list, CursorExpired for one
        that another release of the gateway made."""
        checked_first(first)
        digest = hashlib.blake2b(msgspec.json.encode(which), digest_size=8).hexdigest()
        if after is None:
            return Position(digest, first, None, 0)
        try:
            position = msgspec.json.decode(self._cursor_codec.page_position(after), type=Position)
        except msgspec.MsgspecError:
            raise CursorExpired(
                "this page cursor is of no use any more; begin the list again without `after`"
            ) from None
        if position.list_digest != digest:
            raise InvalidArgument(
                "after belongs to another list or other filters; use it where it came from"
            )
        return position

    def page(self, position: Position, listed: Listed[T], first: int) -> Page[T]:
        """The part of Twilio's page that was asked for. Its `end_cursor` is where it was read to, also when nothing is left
        there of Twilio's page, which may be shorter than it was."""
        end = min(position.skip + first, len(listed.items))
        items = tuple(
            (self._cursor(position, listed, offset + 1), listed.items[offset])
            for offset in range(position.skip, end)
        )
        has_next = end < len(listed.items) or listed.next_query is not None
        return Page(
            items, self._cursor(position, listed, end) if items or has_next else None, has_next
        )

    def _cursor(self, position: Position, listed: Listed[T], offset: int) -> str:
        """The cursor after so many items of Twilio's page: at its end, the next page's beginning."""
        is_at_end = offset >= len(listed.items) and listed.next_query is not None
        query, skip = (listed.next_query, 0) if is_at_end else (position.query, offset)
        following = Position(position.list_digest, position.size, query, skip)
        return self._cursor_codec.page_cursor(msgspec.json.encode(following))
