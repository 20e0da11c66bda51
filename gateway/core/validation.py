"""Checks that many inputs share: each returns nothing, or raises InvalidArgument with a sentence that says what to do.
Does no I/O."""

import re
from datetime import datetime

from gateway.core.errors import InvalidArgument

# Of a room's name, an identity and a track's name. https://www.twilio.com/docs/video/programmable-video-limits
NAME_LIMIT = 128

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_text(text: str, argument: str, *, give: str) -> None:
    """Any printable character may stand in a name, `/` and `..` included: names travel as form and query values only."""
    if not text:
        raise InvalidArgument(f"{argument} is empty; give {give}")
    if len(text) > NAME_LIMIT:
        raise InvalidArgument(
            f"{argument} has {len(text)} characters; a name may have up to {NAME_LIMIT}: give a shorter one"
        )
    if _CONTROL.search(text):
        raise InvalidArgument(f"{argument} holds a control character; remove it")


def check_range(value: int | None, low: int, high: int, argument: str, unit: str = "") -> None:
    if value is not None and not low <= value <= high:
        raise InvalidArgument(
            f"{argument} is {value}; give a whole number from {low} to {high}{unit}"
        )


def check_zones(**moments: datetime | None) -> None:
    for argument, moment in moments.items():
        if moment is not None and moment.tzinfo is None:
            raise InvalidArgument(
                f"{argument} has no time zone; end it with Z or an offset such as +02:00"
            )


def check_known(word: object, argument: str, choice: str) -> None:
    """Refuses the member UNKNOWN of an open enum: it stands for Twilio's later words, so nothing can be asked with it."""
    if getattr(word, "name", None) == "UNKNOWN":
        raise InvalidArgument(f"{argument} cannot be UNKNOWN; give {choice}")
