"""Forms and queries as Twilio reads them: names with one or more values, unknown names ignored. Does no I/O."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from urllib.parse import parse_qsl

from gateway.sandbox.errors import TwilioError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Form:
    values: dict[str, list[str]] = field(default_factory=dict)

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def first(self, name: str) -> str | None:
        values = self.values.get(name)
        return values[0] if values else None

    def number(self, name: str, least: int, most: int, code: int) -> int | None:
        text = self.first(name)
        if text is None:
            return None
        # int() would take " 5", "1_0" and digits of other scripts.
        if not re.fullmatch(r"-?[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise TwilioError(code, f"{name} must be a whole number from {least} to {most}")
        return int(text)

    def flag(self, name: str, default: bool) -> bool:
        text = self.first(name)
        if text is None:
            return default
        if text.lower() not in ("true", "false"):
            raise TwilioError(20001, f"{name} must be true or false")
        return text.lower() == "true"

    def moment(self, name: str) -> datetime | None:
        """A date-time, or a date, which stands for its first second in UTC: the documents name one form, the schema
        the other."""
        text = self.first(name)
        if text is None:
            return None
        try:
            if _DATE.fullmatch(text):
                return datetime.combine(datetime.fromisoformat(text), time(), UTC)
            moment = datetime.fromisoformat(text)
        except ValueError as exc:
            raise TwilioError(20001, f"{name} must be YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ") from exc
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse(text: str) -> Form:
    """Bytes that are no UTF-8 become surrogates, so that what they stand in can be named in the error."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
        values.setdefault(name, []).append(value)
    return Form(values)


def is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)
