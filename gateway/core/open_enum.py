"""Enums of Twilio's words, to which Twilio adds without notice. Does no I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

WORD_LIMIT = 128


class OpenEnum(StrEnum):
    """An enum whose member UNKNOWN stands for every word that Twilio adds after this
    release.

    Insights writes with underscores what the Video API writes with hyphens
    (`in_progress`). Both are one word here.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self:
        word = cls._respelled(value) if isinstance(value, str) else None
        return next((member for member in cls if member.value == word), cls["UNKNOWN"])

    @classmethod
    def _respelled(cls, word: str) -> str:
        return word.replace("_", "-")


class HttpMethod(OpenEnum):
    """The method of the requests with which Twilio reports events."""

    GET = "GET"
    POST = "POST"
    HEAD = "HEAD"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    UNKNOWN = "unknown"

    @classmethod
    def _respelled(cls, word: str) -> str:
        return word.upper()


@dataclass(frozen=True, slots=True)
class UnknownWord:
    """The word that Twilio sent for a field whose value is UNKNOWN here.

    `field` has an index when the field is a list. `word` is cut off at 128 characters.
    """

    field: str
    word: str
