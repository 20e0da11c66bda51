"""Requests to Twilio and its responses, as values. Does no I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, Literal, TypeVar
from urllib.parse import urlencode

import msgspec

from gateway.core.errors import InvalidArgument
from gateway.core.limits.fairness import Priority

T = TypeVar("T")

Product = Literal["video", "insights"]
Form = tuple[tuple[str, str], ...]
"""Names and values, not encoded. A name may occur more than once."""
Parameters = Iterable[tuple[str, object]]
"""Names and values. A parameter whose value is None is not sent."""


@dataclass(frozen=True, slots=True)
class WireResponse:
    """One HTTP response. `body` is decompressed.

    `unreadable` are the paths of fields whose values could not be read. The reader adds
    them. They contain no value.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    unreadable: list[str] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class WireRequest(Generic[T]):
    """One HTTP request, and how its response is read.

    `read` returns the value of a response with a 2xx status. For another status it
    raises the GatewayError that Twilio's error code stands for. It raises
    UpstreamUnavailable for a response that cannot be read.

    `path` starts with `/v1`. `query` is already encoded, because the query of a next
    page goes back to Twilio byte for byte. `form` is not encoded. `priority` says which
    requests go first when Twilio's quota is short.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    read: Callable[[WireResponse], T] = field(compare=False, repr=False)
    query: str = ""
    form: Form = ()
    product: Product = "video"
    priority: Priority = Priority.READ

    @property
    def is_write(self) -> bool:
        """Whether the request changes something, and so uses the write quota."""
        return self.method != "GET"


def single_status(statuses: Sequence[T]) -> T | None:
    """Returns the status of a filter, or None without one: Twilio filters a list by one
    status at most."""
    assert len(statuses) <= 1, "one list per status: see `per_status`"
    return statuses[0] if statuses else None


def encode_query(parameters: Parameters) -> str:
    """Returns the parameters as an encoded query. Raises what `form_of` raises."""
    return urlencode(form_of(parameters))


def form_of(parameters: Parameters) -> Form:
    """Returns the parameters as text.

    A boolean is `true` or `false`. A datetime is in UTC, as `YYYY-MM-DDThh:mm:ssZ`.
    Raises InvalidArgument for a datetime outside the years 1 to 9999.
    """
    return tuple((name, _text_of(value)) for name, value in parameters if value is not None)


def json_text(value: object) -> str:
    """Returns the value of a parameter that holds JSON.

    Raises InvalidArgument for text with a lone surrogate.
    """
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            "a text has half of a surrogate pair: send complete Unicode text"
        ) from None


def without_none(values: Mapping[str, object]) -> dict[str, object]:
    """Returns the entries whose value is not None."""
    return {name: value for name, value in values.items() if value is not None}


def _text_of(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _date_text(value) if isinstance(value, datetime) else str(value)


def _date_text(moment: datetime) -> str:
    """Returns a UTC date in whole seconds, rounded up.

    Twilio's dates have whole seconds. A date at or after 10.5 s is one at or after 11
    s, and a date before 10.5 s is one before 11 s.
    """
    try:
        moment = moment.astimezone(UTC)
        if moment.microsecond:
            moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    except OverflowError:
        raise InvalidArgument("a date is outside the years 1 to 9999: use a date within") from None
    return moment.isoformat().replace("+00:00", "Z")
