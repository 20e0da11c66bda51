"""What goes to Twilio and what comes back, as values. Does no I/O."""

from collections.abc import Callable, Iterable, Mapping
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
Parameters = Iterable[tuple[str, object]]
"""Names with values; None leaves the parameter out."""


@dataclass(frozen=True, slots=True)
class WireResponse:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class WireRequest(Generic[T]):
    """One request, and how its answer is read: `read` raises the GatewayError that the answer stands for, and
    UpstreamUnavailable when it cannot be read.

    `query` is encoded already: what Twilio gave us for a next page goes back byte for byte. `form` is not. `priority`: who goes first
    when Twilio's quota is short.
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
        return self.method != "GET"


def encoded(parameters: Parameters) -> str:
    """A query."""
    return urlencode(form_of(parameters))


def form_of(parameters: Parameters) -> Form:
    """Raises InvalidArgument for a moment outside the years 1 to 9999."""
    return tuple((name, _word(value)) for name, value in parameters if value is not None)


def json_text(value: object) -> str:
    """For a parameter whose value is JSON. Raises InvalidArgument for half a character."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            "a text holds half a character (a lone surrogate); send whole Unicode text"
        ) from None


def without_none(parts: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in parts.items() if value is not None}


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _whole_second(value) if isinstance(value, datetime) else str(value)


def _whole_second(moment: datetime) -> str:
    """In UTC, rounded up. Twilio's dates are whole seconds: to be at or after 10.5 s is to be at or after 11 s; so with
    before."""
    try:
        moment = moment.astimezone(UTC)
        if moment.microsecond:
            moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    except OverflowError:
        raise InvalidArgument("a date lies outside the years 1 to 9999; give one within") from None
    return moment.isoformat().replace("+00:00", "Z")
