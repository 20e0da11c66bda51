"""Several lists of Twilio's as one, the newest item first.

Twilio filters a list by one status at most. A list of several statuses is merged from
one list per status.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from gateway.core.caching import Freshness, ReadResult
from gateway.core.cursors import CursorCodec
from gateway.core.errors import CursorExpired, GatewayError
from gateway.core.paging import Page
from gateway.service.cache.page_cursors import list_digest
from gateway.service.flights.gather import gather_outcomes

T = TypeVar("T", bound="Listed")
R = TypeVar("R")

ReadPage = Callable[[int, str | None], Coroutine[Any, Any, ReadResult[Page[T]]]]
"""Reads a page of one list: up to `first` items after the cursor, as
`ReadThrough.page`."""

_OLDEST = datetime.min.replace(tzinfo=UTC)


class Listed(Protocol):
    """An item of a list."""

    @property
    def sid(self) -> str: ...

    @property
    def create_time(self) -> datetime | None: ...


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins in one list: after a cursor; None is the beginning.

    A list that has ended is not read for further pages.
    """

    cursor: str | None = None
    has_ended: bool = False


class MergedLists:
    """Reads pages that are merged from several lists."""

    def __init__(self, cursor_codec: CursorCodec) -> None:
        self._cursor_codec = cursor_codec

    async def page(
        self,
        lists: Sequence[ReadPage[T]],
        list_identity: object,
        first: int,
        after: str | None,
    ) -> ReadResult[Page[T]]:
        """Returns a page of up to `first` items of all lists. `list_identity` differs
        between any two sets of lists.

        Each list is read once. A page ends early where the next item of one list is not
        known yet. An item that has moved from one list to another between two reads is
        shown once on a page, and may be shown again on a later one.

        Raises what `ReadThrough.page` raises, and InvalidArgument for a cursor of
        another list.
        """
        if len(lists) == 1:
            return await lists[0](first, after)
        list_id = list_digest(list_identity)
        positions = self._decode(list_id, after, len(lists))
        if all(position.has_ended for position in positions):
            # The lists may have grown since.
            positions = [Position(position.cursor) for position in positions]
        outcomes = await gather_outcomes(
            read(first, position.cursor)
            for read, position in zip(lists, positions, strict=True)
            if not position.has_ended
        )
        results = list(map(_raised, outcomes))
        pages = iter([result.value for result in results])
        heads = [
            _Head(position, None if position.has_ended else next(pages)) for position in positions
        ]
        items = tuple((self._encode(list_id, heads), item) for item in _merge(heads, first))
        has_next = not all(head.position.has_ended for head in heads)
        return ReadResult(
            Page(items, self._encode(list_id, heads) if items or has_next else None, has_next),
            _oldest([result.freshness for result in results]),
            self._earliest([result.as_of for result in results]),
        )

    def _decode(self, list_id: str, after: str | None, count: int) -> Sequence[Position]:
        if after is None:
            return [Position()] * count
        try:
            key = self._cursor_codec.list_key(list_id, after)
            positions = msgspec.json.decode(key, type=list[Position])
        except msgspec.MsgspecError:
            raise CursorExpired(
                "page cursor has expired: start again from the first page"
            ) from None
        assert len(positions) == count, "the identity is that of as many lists"
        return positions

    def _encode(self, list_id: str, heads: "Sequence[_Head[T]]") -> str:
        positions = [head.position for head in heads]
        return self._cursor_codec.list_cursor(list_id, msgspec.json.encode(positions).decode())

    def _earliest(self, cursors: Sequence[str | None]) -> str | None:
        known = [cursor for cursor in cursors if cursor is not None]
        if len(known) < len(cursors):
            return None
        return min(known, key=lambda cursor: self._cursor_codec.log_position(cursor).n)


class _Head(Generic[T]):
    """The items of one list that have not been taken. `page` is None for a list that
    has ended."""

    def __init__(self, position: Position, page: Page[T] | None) -> None:
        self.position = position
        self._items = [] if page is None else list(page.items)
        self._page = page
        self._taken = 0
        self._reach_end()

    @property
    def item(self) -> T | None:
        """The next item; None if it is not known, or there is none."""
        return self._items[self._taken][1] if self._taken < len(self._items) else None

    def take(self) -> None:
        """Moves past the next item."""
        self.position = Position(self._items[self._taken][0])
        self._taken += 1
        self._reach_end()

    def _reach_end(self) -> None:
        if self._page is not None and self._taken == len(self._items):
            cursor = self._page.end_cursor or self.position.cursor
            self.position = Position(cursor, not self._page.has_next_page)


def _merge(heads: "Sequence[_Head[T]]", count: int) -> Iterator[T]:
    """Takes up to `count` items, the newest first. Yields each after it was taken."""
    yielded = set[str]()
    while len(yielded) < count:
        if any(head.item is None and not head.position.has_ended for head in heads):
            return  # the next item of that list may be the newest
        known = [(head.item, head) for head in heads if head.item is not None]
        if not known:
            return
        item, head = max(known, key=lambda pair: pair[0].create_time or _OLDEST)
        head.take()
        if item.sid not in yielded:
            yielded.add(item.sid)
            yield item


def _raised(outcome: R | GatewayError) -> R:
    """The outcome of a read. Raises it if it is an error."""
    if isinstance(outcome, GatewayError):
        raise outcome
    return outcome


def _oldest(parts: Sequence[Freshness]) -> Freshness:
    oldest = min(parts, key=lambda part: part.fetch_time)
    return replace(oldest, is_stale=any(part.is_stale for part in parts))
