"""Form bodies and query strings as Twilio parses them. Does no I/O.

A name may have several values. Unknown names are ignored.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from urllib.parse import parse_qsl

from gateway.sandbox.errors import TwilioError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Form:
    """Decoded parameters: each name with its values, in the order in which they came.

    The typed readers return None (or the default) for a missing parameter and raise
    `TwilioError` for an invalid one.
    """

    values: dict[str, list[str]] = field(default_factory=dict)

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def first(self, name: str) -> str | None:
        values = self.values.get(name)
        return values[0] if values else None

    def integer(self, name: str, minimum: int, maximum: int, code: int) -> int | None:
        """Returns a number in the given range. Raises `code` for anything else."""
        text = self.first(name)
        if text is None:
            return None
        # int() would also accept " 5", "1_0" and the digits of other scripts.
        if not re.fullmatch(r"-?[0-9]{1,9}", text) or not minimum <= int(text) <= maximum:
            raise TwilioError(code, f"{name} must be a whole number from {minimum} to {maximum}")
        return int(text)

    def boolean(self, name: str, default: bool) -> bool:
        text = self.first(name)
        if text is None:
            return default
        if text.lower() not in ("true", "false"):
            raise TwilioError(20001, f"{name} must be true or false")
        return text.lower() == "true"

    def date_time(self, name: str) -> datetime | None:
        """Returns a time in UTC, from a date-time or from a date.

        A date stands for its first second in UTC. Both forms are accepted because
        Twilio's documents specify a date and its OpenAPI schema a date-time.
        """
        text = self.first(name)
        if text is None:
            return None
        try:
            if _DATE.fullmatch(text):
                return datetime.combine(datetime.fromisoformat(text), time(), UTC)
            parsed = datetime.fromisoformat(text)
        except ValueError as exc:
            raise TwilioError(20001, f"{name} must be YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ") from exc
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def parse(text: str) -> Form:
    """Returns the decoded parameters of a form body or query string.

    Bytes that are not UTF-8 become surrogates. The validation of the parameter can then
    name the parameter in its error.
    """
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
        values.setdefault(name, []).append(value)
    return Form(values)


def is_unicode(text: str) -> bool:
    """Whether the text has no surrogates, which stand for bytes that are not UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in text)
