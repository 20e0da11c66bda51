"""Pages of lists, newest first. Does no I/O.

A page token is bound to a place between two things, not to a count: rooms made or ended meanwhile neither repeat nor
hide the others. It is opaque and signed, so one that was made up or is of another list is refused.
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
# What Twilio does with a larger PageSize is not documented; the helper library sends one for a large `limit`, so it
# cannot be an error.
MAX_SIZE = 1000


class Ordered(Protocol):
    @property
    def ordinal(self) -> int: ...


T = TypeVar("T", bound=Ordered)


@dataclass(frozen=True, slots=True)
class Place:
    """Between two ordinals: the page lies below `ordinal` (older), or above it when `is_back`."""

    ordinal: int
    is_back: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page is asked for. `number` is the client's own count and is only repeated to it."""

    size: int
    number: int
    place: Place | None


def wanted(query: Form, key: bytes, most: int = MAX_SIZE) -> Wanted:
    """A page of `most` items at most. Raises 70002 for a Page without a token, 21481 for a token that `key` did not make."""
    size = query.number("PageSize", 1, 999_999_999, 20001) or DEFAULT_SIZE
    number = query.number("Page", 0, 999_999_999, 20001) or 0
    token = query.first("PageToken")
    if not token and number > 0:
        raise TwilioError(70002)
    return Wanted(min(size, most), number, _read(token, key) if token else None)


def page(items: Iterable[T], want: Wanted) -> tuple[list[T], Place | None, Place | None]:
    """The page out of `items`, which come newest first, and the places before and after it, None at the ends."""
    place = want.place
    if place is None:
        shown = list(islice(items, want.size + 1))
        return shown[: want.size], None, _after(shown, want.size)
    if place.is_back:
        newer = [item for item in items if item.ordinal > place.ordinal]
        shown = newer[-want.size :]
        before = (
            Place(shown[0].ordinal, True) if len(newer) > want.size and want.number > 0 else None
        )
        return shown, before, Place(shown[-1].ordinal if shown else place.ordinal, False)
    first_newer: list[T] = []
    shown = []
    for item in items:
        if item.ordinal >= place.ordinal:
            first_newer = first_newer or [item]
        elif len(shown) <= want.size:
            shown.append(item)
        else:
            break
    start = shown[0].ordinal if shown else place.ordinal - 1
    before = Place(start, True) if first_newer and want.number > 0 else None
    return shown[: want.size], before, _after(shown, want.size)


def meta(
    url: str,
    key: str,
    filters: Sequence[tuple[str, str]],
    want: Wanted,
    places: tuple[Place | None, Place | None],
    secret: bytes,
) -> dict[str, Any]:
    """The `meta` of a page; its URLs are absolute and repeat the filters."""

    def link(number: int, place: Place | None) -> str:
        fields = [*filters, ("PageSize", str(want.size)), ("Page", str(number))]
        if place:
            fields.append(("PageToken", _write(place, secret)))
        return f"{url}?{urlencode(fields, quote_via=quote)}"

    before, after = places
    return {
        "page": want.number,
        "page_size": want.size,
        "first_page_url": link(0, None),
        "previous_page_url": link(want.number - 1, before) if before else None,
        "url": link(want.number, want.place),
        "next_page_url": link(want.number + 1, after) if after else None,
        "key": key,
    }


def _after(shown: list[T], size: int) -> Place | None:
    return Place(shown[size - 1].ordinal, False) if len(shown) > size else None


def _write(place: Place, secret: bytes) -> str:
    text = f"{'PB' if place.is_back else 'PA'}{place.ordinal}".encode()
    return base64.urlsafe_b64encode(text + b"." + _tag(text, secret)).decode().rstrip("=")


def _read(token: str, secret: bytes) -> Place:
    try:
        raw = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise TwilioError(21481) from exc
    text, _, tag = raw.partition(b".")
    if not hmac.compare_digest(tag, _tag(text, secret)):
        raise TwilioError(21481)
    return Place(int(text[2:]), text.startswith(b"PB"))


def _tag(text: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, text, hashlib.sha256)[:9].hex().encode()
