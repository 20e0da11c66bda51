"""Twilio's words: sets that grow without notice. Does no I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

WORD_LIMIT = 128


class OpenEnum(StrEnum):
    """A set of words to which Twilio may add after this release. Every such enum has a member UNKNOWN for those.

    Insights spells with underscores what Video spells with hyphens (`in_progress`): both are the same word here.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self:
        word = cls._respelled(value) if isinstance(value, str) else None
        return next((member for member in cls if member.value == word), cls["UNKNOWN"])

    @classmethod
    def _respelled(cls, word: str) -> str:
        return word.replace("_", "-")


@dataclass(frozen=True, slots=True)
class UnknownWord:
    """What Twilio said where a field shows UNKNOWN: the field, with a place in it where it is a list, and the word,
    cut off at 128 characters."""

    field: str
    word: str
