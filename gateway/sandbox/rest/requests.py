"""Requests and responses of the REST API, and what all lists share. Does no I/O."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote

from gateway.sandbox.accounts import Account
from gateway.sandbox.errors import TwilioError, not_found
from gateway.sandbox.forms import Form, is_unicode
from gateway.sandbox.rest import paging

E = TypeVar("E", bound=StrEnum)

_SID = re.compile(r"[a-zA-Z]{2}[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One authenticated request.

    `segments` is the decoded path below `/v1`. `base_url` is the scheme and host that
    the client used. A read returns the state as of `lag_s` ago.
    """

    account: Account
    method: str
    segments: tuple[str, ...]
    query: Form
    form: Form
    base_url: str
    lag_s: float = 0.0

    def not_found(self) -> TwilioError:
        return not_found(*self.segments)


@dataclass(frozen=True, slots=True)
class RestResponse:
    """A response. `body` is encoded as JSON, unless it is bytes."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


def required(form: Form, name: str) -> str:
    """Returns a parameter, which may be empty. Raises 20001 if it is missing."""
    value = form.first(name)
    if value is None:
        raise TwilioError(20001, f"Missing required parameter {name} in the post body")
    return value


def enum_value(form: Form, name: str, enum: type[E]) -> E | None:
    """Returns a parameter as a member of `enum`, or None if missing or empty."""
    text = form.first(name)
    return _member(text, name, enum) if text else None


def enum_values(form: Form, name: str, enum: type[E]) -> set[E]:
    """Returns a parameter that may be repeated. Empty values are ignored."""
    return {_member(text, name, enum) for text in form.all(name) if text}


def sids(form: Form, name: str) -> list[str]:
    """Returns SIDs of any kind. Raises 20001 for a value that is not a SID."""
    values = form.all(name)
    if not all(_SID.fullmatch(sid) for sid in values):
        raise TwilioError(20001, f"{name} must be a SID")
    return values


def date_filter(query: Form, prefix: str = "DateCreated") -> Callable[[datetime], bool]:
    """Returns a predicate: on or after {prefix}After, and before {prefix}Before."""
    after, before = query.date_time(f"{prefix}After"), query.date_time(f"{prefix}Before")
    return lambda time: (after is None or time >= after) and (before is None or time < before)


def page(
    request: RestRequest,
    key: str,
    items: Iterable[paging.T],
    view: Callable[[paging.T], dict[str, Any]],
    filters: Iterable[str] = (),
    *,
    fixed: Iterable[tuple[str, str]] = (),
    max_size: int = paging.MAX_SIZE,
) -> RestResponse:
    """Returns one page of `items`, which must be newest first.

    The URLs of the page repeat the parameters in `filters` that the request has, and
    those in `fixed`. The secret of a page token includes the path, so a list refuses
    the token of another list.
    """
    repeated = [*fixed, *_given(request.query, filters)]
    path = "/".join(request.segments)
    secret = f"{request.account.auth_token}:{path}".encode(errors="surrogateescape")
    page_request = paging.parse(request.query, secret, max_size)
    page_items, previous, following = paging.select(items, page_request)
    url = f"{request.base_url}/v1/{quote(path)}"
    meta = paging.meta(url, key, repeated, page_request, (previous, following), secret)
    return RestResponse(200, {key: [view(item) for item in page_items], "meta": meta})


def _member(text: str, name: str, enum: type[E]) -> E:
    try:
        return enum(text)
    except ValueError as exc:
        raise TwilioError(20001, f"{name} must be one of {', '.join(enum)}") from exc


def _given(query: Form, names: Iterable[str]) -> list[tuple[str, str]]:
    given = [(name, value) for name in names for value in query.all(name)]
    for name, value in given:
        if not is_unicode(value):
            raise TwilioError(20001, f"{name} is not valid UTF-8")
    return given
