"""Pages of lists, newest first. Does no I/O.

A page token identifies a position between two items, not an offset. Rooms that are
created or ended between two pages therefore neither repeat nor hide other rooms. A
token is opaque and signed: a forged token or the token of another list is refused.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.forms import Form

DEFAULT_SIZE = 50
# Twilio does not document what a larger PageSize does. It cannot be an error, because
# the helper library sends a larger one for a large `limit`.
MAX_SIZE = 1000


class Ordered(Protocol):
    @property
    def ordinal(self) -> int: ...


T = TypeVar("T", bound=Ordered)


@dataclass(frozen=True, slots=True)
class Position:
    """A position between two items.

    The page has the items below `ordinal`, which are older. With `is_backward` it has
    those above it.
    """

    ordinal: int
    is_backward: bool


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The requested page. `number` is the client's own count, which `meta` repeats."""

    size: int
    number: int
    position: Position | None


def parse(query: Form, secret: bytes, max_size: int = MAX_SIZE) -> PageRequest:
    """Parses PageSize, Page and PageToken.

    Raises 70002 for a Page without a token, and 21481 for a token that was not signed
    with `secret`.
    """
    size = query.integer("PageSize", 1, 999_999_999, 20001) or DEFAULT_SIZE
    number = query.integer("Page", 0, 999_999_999, 20001) or 0
    token = query.first("PageToken")
    if not token and number > 0:
        raise TwilioError(70002)
    position = _decode(token, secret) if token else None
    return PageRequest(min(size, max_size), number, position)


def select(
    items: Iterable[T], request: PageRequest
) -> tuple[list[T], Position | None, Position | None]:
    """Returns the items of a page and the positions of the previous and the next page.

    `items` must be newest first. There is no position before the first page and after
    the last one.
    """
    position = request.position
    if position is None:
        selected = list(islice(items, request.size + 1))
        return selected[: request.size], None, _next_position(selected, request.size)
    if position.is_backward:
        newer = [item for item in items if item.ordinal > position.ordinal]
        selected = newer[-request.size :]
        has_previous = len(newer) > request.size and request.number > 0
        previous = Position(selected[0].ordinal, True) if has_previous else None
        oldest = selected[-1].ordinal if selected else position.ordinal
        return selected, previous, Position(oldest, False)
    has_newer = False
    selected = []
    for item in items:
        if item.ordinal >= position.ordinal:
            has_newer = True
        elif len(selected) <= request.size:
            selected.append(item)
        else:
            break
    newest = selected[0].ordinal if selected else position.ordinal - 1
    previous = Position(newest, True) if has_newer and request.number > 0 else None
    return selected[: request.size], previous, _next_position(selected, request.size)


def meta(
    url: str,
    key: str,
    filters: Sequence[tuple[str, str]],
    request: PageRequest,
    neighbours: tuple[Position | None, Position | None],
    secret: bytes,
) -> dict[str, Any]:
    """Returns the `meta` of a page. Its URLs are absolute and repeat the filters."""

    def link(number: int, position: Position | None) -> str:
        fields = [*filters, ("PageSize", str(request.size)), ("Page", str(number))]
        if position:
            fields.append(("PageToken", _encode(position, secret)))
        return f"{url}?{urlencode(fields, quote_via=quote)}"

    previous, following = neighbours
    return {
        "page": request.number,
        "page_size": request.size,
        "first_page_url": link(0, None),
        "previous_page_url": link(request.number - 1, previous) if previous else None,
        "url": link(request.number, request.position),
        "next_page_url": link(request.number + 1, following) if following else None,
        "key": key,
    }


def _next_position(selected: list[T], size: int) -> Position | None:
    return Position(selected[size - 1].ordinal, False) if len(selected) > size else None


def _encode(position: Position, secret: bytes) -> str:
    text = f"{'PB' if position.is_backward else 'PA'}{position.ordinal}".encode()
    return base64.urlsafe_b64encode(text + b"." + _tag(text, secret)).decode().rstrip("=")


def _decode(token: str, secret: bytes) -> Position:
    try:
        raw = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise TwilioError(21481) from exc
    text, _, tag = raw.partition(b".")
    if not hmac.compare_digest(tag, _tag(text, secret)):
        raise TwilioError(21481)
    return Position(int(text[2:]), text.startswith(b"PB"))


def _tag(text: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, text, hashlib.sha256)[:9].hex().encode()
