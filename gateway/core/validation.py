"""Checks of values. Each returns None, or raises InvalidArgument with the field and a
message that says what to do. Does no I/O."""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from gateway.core.errors import InvalidArgument, Path

# For names of rooms and tracks, and for identities.
# https://www.twilio.com/docs/video/programmable-video-limits
NAME_LIMIT = 128

# The most entries that any list in a request may have: the hints of a transcription.
# Both faces check it before they convert a list. Most lists have a lower limit.
LIST_LIMIT = 500

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_text(text: str, field: str | Path, *, give: str) -> None:
    """Checks a name. It may hold any printable character, even `/` and `..`, because
    names are sent as form and query values only. `give` says what a valid value is.
    """
    if not text:
        raise InvalidArgument.at(field, f"is empty; give {give}")
    if len(text) > NAME_LIMIT:
        raise InvalidArgument.at(
            field, f"has {len(text)} characters; give one with up to {NAME_LIMIT}"
        )
    if _CONTROL.search(text):
        raise InvalidArgument.at(field, "holds a control character; remove it")


def check_range(value: int | None, low: int, high: int, field: str, unit: str = "") -> None:
    """Checks a number, if there is one. Both limits are allowed."""
    if value is not None and not low <= value <= high:
        raise InvalidArgument.at(
            field, f"is {value}; give a whole number from {low} to {high}{unit}"
        )


def check_idempotency_key(key: str | None) -> None:
    """Checks a caller's idempotency key, if there is one."""
    if key is not None:
        check_text(key, "idempotency_key", give="one made for this request alone, such as a UUID")


def check_zones(**moments: datetime | None) -> None:
    """Checks that each of these has a time zone. The keywords are the names of the
    fields."""
    for field, moment in moments.items():
        if moment is not None and moment.tzinfo is None:
            raise InvalidArgument.at(
                field, "has no time zone; end it with Z or an offset such as +02:00"
            )


def check_distinct(values: Sequence[object], field: str | Path) -> None:
    """Checks that no value is in the list twice, for lists that are sent to Twilio as
    they are."""
    if len(set(values)) < len(values):
        raise InvalidArgument.at(field, "holds a value twice; leave one out")


def check_statuses(statuses: Sequence[Enum]) -> None:
    """Checks that none of the statuses is UNKNOWN, as `check_known` does."""
    for status in statuses:
        check_known(status, "statuses")


def check_known(word: Enum | None, field: str | Path) -> None:
    """Refuses the member UNKNOWN of an open enum. It stands for all words that this
    release does not know, so it cannot be sent to Twilio."""
    if word is not None and word.name == "UNKNOWN":
        known = [member for member in type(word) if member is not word]
        raise InvalidArgument.at(field, f"cannot be {in_text(word)}; give {one_of(*known)}")


def one_of(*members: Enum) -> str:
    """Returns the choice between values of an enum, for a message."""
    *others, last = map(in_text, members)
    return f"{', '.join(others)} or {last}" if others else last


def in_text(member: Enum) -> str:
    """Returns the name of the value, for a message. Each face has its own."""
    return f"`{type(member).__name__}.{member.name}`"
