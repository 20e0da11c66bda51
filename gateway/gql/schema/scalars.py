"""Custom scalars. Does no I/O."""

from contextlib import suppress
from datetime import datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError

BigInt = NewType("BigInt", int)
JSON = NewType("JSON", object)


def parse_datetime(text: object) -> datetime:
    """Raises GraphQLError for a text that is not a date and time in ISO 8601."""
    if isinstance(text, str):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    raise GraphQLError("DateTime must be ISO 8601 with an offset, such as 2026-11-20T12:00:00Z")


SCALARS: dict[object, Any] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A time in ISO 8601 with its offset, such as `2026-11-20T12:00:00Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=lambda moment: moment.isoformat().replace("+00:00", "Z"),
        parse_value=parse_datetime,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number that can exceed 32 bits, as a JSON number.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=int,
        parse_value=int,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="A JSON value in Twilio's own words.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=lambda value: value,
    ),
}
