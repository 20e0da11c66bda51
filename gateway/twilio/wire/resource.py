"""What all of Twilio's resources share: fetched one by one, listed in pages, changed by a form, deleted. Does no I/O."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

from gateway.core.errors import CursorExpired, InvalidArgument, OutcomeUnknown, UpstreamUnavailable
from gateway.core.limits.fairness import Priority
from gateway.core.sids import RoomSid, checked_sid
from gateway.twilio.faults import BY_CODE, read_fault
from gateway.twilio.wire.exchange import (
    Parameters,
    Product,
    WireRequest,
    WireResponse,
    encoded,
    form_of,
)
from gateway.twilio.wire.reading import Said, read_said, read_value, to_core

T = TypeVar("T")

PAGE_SIZE_LIMIT: Final = 1000

# A name of 128 characters takes up to 1,536 when percent-encoded; the rest is room for Twilio's PageToken.
_PAGE_QUERY: Final = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]{1,4096}")


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """One page of Twilio's. `next_query` fetches the page after this one; None at the end."""

    items: tuple[T, ...]
    next_query: str | None


class _Meta(msgspec.Struct):
    next_page_url: str | None = None


@dataclass(frozen=True, slots=True)
class TwilioResource(Generic[T]):
    """A kind of Twilio's resources. `key`: under which word a page holds them. `adapt` puts right what Twilio spells in
    another way than core; it must bear any JSON object."""

    kind: type[T]
    key: str = ""
    product: Product = "video"
    page_size_limit: int = PAGE_SIZE_LIMIT
    adapt: Callable[[Said], Said] = lambda said: said

    def fetch(self, path: str) -> WireRequest[T]:
        return WireRequest("GET", path, self._read, product=self.product)

    def post(
        self, path: str, parameters: Parameters = (), priority: Priority = Priority.CHANGE
    ) -> WireRequest[T]:
        """A change that may be repeated whatever became of it."""
        return WireRequest(
            "POST",
            path,
            self._read,
            form=form_of(parameters),
            product=self.product,
            priority=priority,
        )

    def create(self, path: str, parameters: Parameters) -> WireRequest[T]:
        """A change that must not be repeated blindly: also a failure of Twilio's own and an unreadable success are read as
        OutcomeUnknown."""
        form = form_of(parameters)
        return WireRequest(
            "POST",
            path,
            self._read_created,
            form=form,
            product=self.product,
            priority=Priority.CHANGE,
        )

    def list(
        self, path: str, parameters: Parameters, page_size: int, page_query: str | None = None
    ) -> WireRequest[Listed[T]]:
        """The first page of a list, or the one whose `next_query` is given: that holds the filter and size it was made with.

        Raises CursorExpired for a `page_query` that no answer of Twilio can have held.
        """
        if page_query is not None:
            if _PAGE_QUERY.fullmatch(page_query) is None:
                raise CursorExpired(
                    "this page cursor is of no use any more; begin the list again without `after`"
                )
            query = page_query
        elif 1 <= page_size <= self.page_size_limit:
            query = encoded([*parameters, ("PageSize", page_size)])
        else:
            raise InvalidArgument(
                f"the page size is {page_size}; give a whole number from 1 to {self.page_size_limit}"
            )
        return WireRequest(
            "GET",
            path,
            lambda answer: self._read_page(answer, path),
            query=query,
            product=self.product,
            priority=Priority.LIST,
        )

    def find(
        self, path: str, parameters: Parameters, page_size: int, choose: Callable[[T], bool]
    ) -> WireRequest[T | None]:
        """The first one of a page that is chosen. What has a name is looked up so: a name may hold `/`, which no path to
        Twilio carries (twilio-python#503)."""
        page = self.list(path, parameters, page_size)
        return WireRequest(
            "GET",
            path,
            lambda answer: next(filter(choose, page.read(answer).items), None),
            query=page.query,
            product=self.product,
        )

    def _read(self, answer: WireResponse) -> T:
        return read_value(answer, self.kind, self.adapt)

    def _read_created(self, answer: WireResponse) -> T:
        try:
            return self._read(answer)
        except UpstreamUnavailable as error:
            is_known = error.twilio is not None and error.twilio.code in BY_CODE
            if is_known or 300 <= answer.status < 500:
                raise
            raise OutcomeUnknown(
                "Twilio took the request but gave no usable answer; look whether it was done before trying again",
                twilio=error.twilio,
            ) from error

    def _read_page(self, answer: WireResponse, path: str) -> Listed[T]:
        """One item that cannot be read makes the page unreadable."""
        return read_said(answer, lambda said: self._page(said, path))

    def _page(self, said: Any, path: str) -> Listed[T]:
        page = msgspec.convert(said, dict[str, Any])
        listed = msgspec.convert(page.get(self.key), list[Any])
        meta = msgspec.convert(page.get("meta"), _Meta)
        items = tuple(to_core(each, self.kind, self.adapt) for each in listed)
        # An older document of Twilio shows an empty page with a next one: following it would never end.
        return Listed(items, _next_query(meta.next_page_url, path) if items else None)


def delete(path: str) -> WireRequest[None]:
    return WireRequest("DELETE", path, _read_nothing, priority=Priority.CHANGE)


def room_path(sid: RoomSid, *below: str) -> str:
    """Nothing but checked SIDs and Twilio's own words may enter a path."""
    return "/".join(["/v1/Rooms", checked_sid(RoomSid, sid, "the room"), *below])


def _read_nothing(answer: WireResponse) -> None:
    if not 200 <= answer.status < 300:
        raise read_fault(answer.status, answer.headers, answer.body)


def _next_query(next_page_url: str | None, path: str) -> str | None:
    """The query of the next page's URL and nothing else of it: our credentials go to our base URL only.

    So its host need not be ours: behind a proxy or a test double Twilio names its own. Its path must be this list's, or
    the query belongs to something else.
    """
    if next_page_url is None:
        return None
    parts = urlsplit(next_page_url)
    if not parts.path.endswith(path) or _PAGE_QUERY.fullmatch(parts.query) is None:
        raise ValueError("a next page of another list, or without a query")
    return parts.query
