"""Our cursors over Twilio's pages.

Twilio pages by a token that stands for a whole page; Relay wants a cursor after each item. Ours says which of Twilio's
pages, and how far into it. It is sealed, so that nobody steers Twilio's paging by hand.
"""

import hashlib
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from gateway.core.cursors import Sealer
from gateway.core.errors import InvalidArgument
from gateway.core.paging import checked_first
from gateway.twilio.wire.resource import Listed

T = TypeVar("T")


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins: `skip` items into Twilio's page of `size` items that `query` stands for (None: the first one)."""

    list_digest: str
    size: int
    query: str | None
    skip: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of one of Twilio's pages: the items from `begin` to `end`, and whether anything follows."""

    begin: int
    end: int
    has_next_page: bool


class Pages:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def position(self, which: object, first: int, after: str | None) -> Position:
        """`which` names the list with its filters. Raises InvalidArgument for a cursor of another list."""
        checked_first(first)
        digest = hashlib.blake2b(msgspec.json.encode(which), digest_size=8).hexdigest()
        if after is None:
            return Position(digest, first, None, 0)
        position = msgspec.json.decode(self._sealer.page_position(after), type=Position)
        if position.list_digest != digest:
            raise InvalidArgument("after belongs to another list or other filters; use it where it came from")
        return position

    def cut(self, position: Position, listed: Listed[T], first: int) -> Cut:
        end = min(position.skip + first, len(listed.items))
        return Cut(position.skip, end, end < len(listed.items) or listed.next_query is not None)

    def cursor(self, position: Position, listed: Listed[T], offset: int) -> str:
        """The cursor after so many items of this page: at its end, the next page's beginning."""
        is_at_end = offset >= len(listed.items) and listed.next_query is not None
        query, skip = (listed.next_query, 0) if is_at_end else (position.query, offset)
        following = Position(position.list_digest, position.size, query, skip)
        return self._sealer.page_token(msgspec.json.encode(following))
