"""What all kinds of Twilio's resources share: fetch, list, create, change, delete.

Does no I/O. https://www.twilio.com/docs/usage/twilios-response
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

from gateway.core.errors import CursorExpired, InvalidArgument, OutcomeUnknown, UpstreamUnavailable
from gateway.core.limits.fairness import Priority
from gateway.core.sids import RoomSid, checked_sid
from gateway.twilio.faults import MEANINGS, read_error
from gateway.twilio.wire.exchange import (
    Parameters,
    Product,
    WireRequest,
    WireResponse,
    encode_query,
    form_of,
)
from gateway.twilio.wire.reading import (
    JsonObject,
    UnreadableField,
    convert,
    read_json,
    read_resource,
)

T = TypeVar("T")

# The largest page of most lists.
# https://www.twilio.com/docs/usage/twilios-response#pagination
PAGE_SIZE_LIMIT: Final = 1000

# Our names of properties that Twilio names in another way.
CORE_NAMES: Final[Mapping[Product, Mapping[str, str]]] = {
    "video": {"date_created": "create_time", "date_updated": "update_time"},
    "insights": {
        "duration_sec": "duration",
        "total_participant_duration_sec": "total_participant_duration",
        "total_recording_duration_sec": "total_recording_duration",
    },
}

# A name of 128 characters has up to 1,536 bytes when it is encoded. The rest is room
# for Twilio's PageToken.
_PAGE_QUERY: Final = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]{1,4096}")


@dataclass(frozen=True, slots=True)
class WirePage(Generic[T]):
    """One page of a list.

    `next_query` is the `page_query` of the next page, or None on the last page.
    """

    items: tuple[T, ...]
    next_query: str | None


class _Meta(msgspec.Struct):
    next_page_url: str | None = None


@dataclass(frozen=True, slots=True)
class TwilioResource(Generic[T]):
    """One kind of Twilio's resources.

    `key` is the name of the list in a page. `adapt` maps Twilio's spelling to that of
    `core`, after `CORE_NAMES`; it gets any JSON object and must not raise.
    """

    kind: type[T]
    key: str = ""
    product: Product = "video"
    page_size_limit: int = PAGE_SIZE_LIMIT
    adapt: Callable[[JsonObject], JsonObject] = lambda document: document

    def fetch(self, path: str) -> WireRequest[T]:
        """Returns the request for the resource at `path`.

        `read` raises NotFound if there is none.
        """
        return WireRequest("GET", path, self._read, product=self.product)

    def post(
        self, path: str, parameters: Parameters = (), priority: Priority = Priority.CHANGE
    ) -> WireRequest[T]:
        """Returns a request that changes the resource at `path` and may be repeated.

        `read` returns the changed resource.
        """
        return WireRequest(
            "POST",
            path,
            self._read,
            form=form_of(parameters),
            product=self.product,
            priority=priority,
        )

    def create(self, path: str, parameters: Parameters) -> WireRequest[T]:
        """Returns a request that creates a resource and must not be repeated blindly.

        `read` also raises OutcomeUnknown for a 5xx status and for an unreadable
        success: Twilio may have created the resource.
        """
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
    ) -> WireRequest[WirePage[T]]:
        """Returns the request for one page of a list.

        Without `page_query` it is the first page. With the `next_query` of a page, it
        is the page after that one, with the same filter and size; `parameters` and
        `page_size` are then ignored.

        Raises InvalidArgument for a page size that Twilio does not support, and
        CursorExpired for a `page_query` that Twilio cannot have sent. `read` raises
        UpstreamUnavailable if a single item lacks a field that cannot be null.
        """
        if page_query is not None:
            if _PAGE_QUERY.fullmatch(page_query) is None:
                raise CursorExpired(
                    "the page cursor is no longer valid: start again without `page_token`"
                )
            query = page_query
        elif 1 <= page_size <= self.page_size_limit:
            query = encode_query([*parameters, ("PageSize", page_size)])
        else:
            raise InvalidArgument(
                f"the page size is {page_size}: use a whole number from 1 to {self.page_size_limit}"
            )
        return WireRequest(
            "GET",
            path,
            lambda response: self._read_page(response, path),
            query=query,
            product=self.product,
            priority=Priority.LIST,
        )

    def find(
        self, path: str, parameters: Parameters, page_size: int, matches: Callable[[T], bool]
    ) -> WireRequest[T | None]:
        """Returns a request whose `read` returns the first item of a page that matches.

        Names are looked up this way and not in a path: Twilio answers 404 for a path
        with a `/` in a name, even if it is encoded.
        https://github.com/twilio/twilio-python/issues/503
        """
        page = self.list(path, parameters, page_size)
        return WireRequest(
            "GET",
            path,
            lambda response: next(filter(matches, page.read(response).items), None),
            query=page.query,
            product=self.product,
        )

    def _read(self, response: WireResponse) -> T:
        return read_resource(response, self.kind, self._adapt)

    def _adapt(self, document: JsonObject) -> JsonObject:
        names = CORE_NAMES[self.product]
        return self.adapt({names.get(name, name): value for name, value in document.items()})

    def _read_created(self, response: WireResponse) -> T:
        try:
            return self._read(response)
        except UpstreamUnavailable as error:
            is_known = error.twilio is not None and error.twilio.code in MEANINGS
            if is_known or 300 <= response.status < 500:
                raise
            raise OutcomeUnknown(
                "Twilio accepted the request, but its response could not be read: "
                "check whether the change was made before you try again",
                twilio=error.twilio,
            ) from error

    def _read_page(self, response: WireResponse, path: str) -> WirePage[T]:
        return read_json(response, lambda document: self._page(document, path, response))

    def _page(self, document: Any, path: str, response: WireResponse) -> WirePage[T]:
        page = msgspec.convert(document, dict[str, Any])
        rows = page.get(self.key)
        if not isinstance(rows, list):
            raise UnreadableField(self.key)
        meta = msgspec.convert(page.get("meta"), _Meta)
        # One of Twilio's older documents shows an empty page with a next page.
        # Following that would never end.
        next_query = _next_query(meta.next_page_url, path) if rows else None
        items = (
            convert(row, self.kind, self._adapt, f"{self.key}[{n}]", response.unreadable)
            for n, row in enumerate(rows)
        )
        return WirePage(tuple(items), next_query)


def delete(path: str) -> WireRequest[None]:
    """Returns the request that deletes the resource at `path`. The body is ignored."""
    return WireRequest("DELETE", path, _read_nothing, priority=Priority.CHANGE)


def room_path(sid: RoomSid, *segments: str) -> str:
    """Returns the path of a room, or of what `segments` name below it.

    Segments must be checked SIDs or Twilio's own words. Raises InvalidArgument for a
    text that is not the SID of a room.
    """
    return "/".join(["/v1/Rooms", checked_sid(RoomSid, sid, "room"), *segments])


def _read_nothing(response: WireResponse) -> None:
    if not 200 <= response.status < 300:
        raise read_error(response.status, response.headers, response.body)


def _next_query(next_page_url: str | None, path: str) -> str | None:
    """Returns the query of the next page's URL.

    Nothing else of the URL is used, because our credentials go to our base URL only.
    Its host may differ: behind a proxy or a test double, Twilio names another one. Its
    path must be that of this list, or the query belongs to something else. Raises
    ValueError.
    """
    if next_page_url is None:
        return None
    parts = urlsplit(next_page_url)
    if not parts.path.endswith(path) or _PAGE_QUERY.fullmatch(parts.query) is None:
        raise ValueError("the next page belongs to another list, or has no query")
    return parts.query
