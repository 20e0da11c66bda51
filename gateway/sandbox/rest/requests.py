"""A request of the REST API and its answer, and what all lists have in common. Does no I/O."""

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

W = TypeVar("W", bound=StrEnum)

_SID = re.compile(r"[a-zA-Z]{2}[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One request. `segments` is the path below `/v1`, decoded; `base` the scheme and host that the caller used.

    `lag_s`: a read sees the state of so long ago.
    """

    account: Account
    method: str
    segments: tuple[str, ...]
    query: Form
    form: Form
    base: str
    lag_s: float = 0.0

    def missing(self) -> TwilioError:
        return not_found(*self.segments)


@dataclass(frozen=True, slots=True)
class RestResponse:
    """`body` is what becomes JSON, or bytes that go out as they are."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


def required(form: Form, name: str) -> str:
    value = form.first(name)
    if value is None:
        raise TwilioError(20001, f"Missing required parameter {name} in the post body")
    return value


def word(form: Form, name: str, words: type[W]) -> W | None:
    text = form.first(name)
    return _word(text, name, words) if text else None


def all_words(form: Form, name: str, words: type[W]) -> set[W]:
    return {_word(text, name, words) for text in form.all(name) if text}


def sids(form: Form, name: str) -> list[str]:
    """Of whatever kind: what is no SID at all is refused."""
    given = form.all(name)
    if not all(_SID.fullmatch(sid) for sid in given):
        raise TwilioError(20001, f"{name} must be a SID")
    return given


def dates(query: Form, what: str = "DateCreated") -> Callable[[datetime], bool]:
    """On or after the one, before the other."""
    after, before = query.moment(f"{what}After"), query.moment(f"{what}Before")
    return lambda made: (after is None or made >= after) and (before is None or made < before)


def page(
    call: RestRequest,
    key: str,
    items: Iterable[paging.T],
    view: Callable[[paging.T], dict[str, Any]],
    filters: Iterable[str] = (),
    *,
    fixed: Iterable[tuple[str, str]] = (),
    most: int = paging.MAX_SIZE,
) -> RestResponse:
    """A page of `items`, which come newest first. Its URLs repeat the `filters` that were given, and those `fixed`.

    A token of one list is refused by another: each path has tokens of its own.
    """
    repeated = [*fixed, *_given(call.query, filters)]
    secret = f"{call.account.auth_token}:{'/'.join(call.segments)}".encode(errors="surrogateescape")
    want = paging.wanted(call.query, secret, most)
    shown, before, after = paging.page(items, want)
    url = f"{call.base}/v1/{quote('/'.join(call.segments))}"
    meta = paging.meta(url, key, repeated, want, (before, after), secret)
    return RestResponse(200, {key: [view(item) for item in shown], "meta": meta})


def _word(text: str, name: str, words: type[W]) -> W:
    try:
        return words(text)
    except ValueError as exc:
        raise TwilioError(20001, f"{name} must be one of {', '.join(words)}") from exc


def _given(query: Form, names: Iterable[str]) -> list[tuple[str, str]]:
    given = [(name, value) for name in names for value in query.all(name)]
    for name, value in given:
        if not is_unicode(value):
            raise TwilioError(20001, f"{name} is not valid UTF-8")
    return given
