"""Custom scalars. Does no I/O."""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NewType

import strawberry
from graphql import GraphQLError

BigInt = NewType("BigInt", int)
JSON = NewType("JSON", object)

# Years and months have no fixed length. The limits on digits keep the sum within what
# a timedelta can hold.
_DURATION = re.compile(
    r"P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?(?<![PT])",
    re.ASCII,
)
_DAY_S = 86_400


def parse_datetime(text: object) -> datetime:
    """Raises GraphQLError for a text that is not a date and time in ISO 8601."""
    if isinstance(text, str):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    raise GraphQLError("DateTime must be ISO 8601 with an offset, such as 2026-11-20T12:00:00Z")


def parse_duration(text: object) -> timedelta:
    """Raises GraphQLError for a text that is not whole seconds in ISO 8601."""
    parts = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if parts is None:
        raise GraphQLError("Duration must be whole seconds in ISO 8601, such as PT5M, PT90S or P1D")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Days, hours, minutes and seconds in ISO 8601; `PT0S` for zero."""
    days, rest = divmod(int(duration.total_seconds()), _DAY_S)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    date = f"{days}D" if days else ""
    time = "".join(
        f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if count
    )
    return f"P{date}T{time}" if time else f"P{date or 'T0S'}"


SCALARS: dict[object, Any] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment by ISO 8601, with its offset, such as 2026-11-20T12:00:00Z.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=lambda moment: moment.isoformat().replace("+00:00", "Z"),
        parse_value=parse_datetime,
    ),
    timedelta: strawberry.scalar(
        name="Duration",
        description="Whole seconds by ISO 8601, such as PT5M, PT90S or P1D; years and months "
        "are none.",
        serialize=format_duration,
        parse_value=parse_duration,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number that may pass 32 bits, written as a JSON number.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=int,
        parse_value=int,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="A JSON value as Twilio gave it, which Twilio does not describe.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=lambda value: value,
    ),
}
