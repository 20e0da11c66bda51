"""Says in the gateway's own words what is wrong with a setting.

pydantic's messages speak of Python. They stay out of what an operator reads.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

UNKNOWN: Final = "has a value that cannot be used: see its description in the documentation"
"""The message for a kind of error that has no words of its own."""

_LIST: Final = "must be a list"
_NUMBER: Final = "must be a number"
_ROW: Final = "must be an object with named fields"
_TEXT: Final = "must be a text"
_URL: Final = "must be a URL such as https://rooms.example.com"
_WHOLE: Final = "must be a whole number"
_YES: Final = "must be 1 or 0"
_MESSAGES: Final[Mapping[str, str | Callable[[Mapping[str, Any]], str]]] = {
    "bool_parsing": _YES,
    "bool_type": _YES,
    "dict_type": _ROW,
    "extra_forbidden": "is no setting: check its spelling, or remove it",
    "finite_number": _NUMBER,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "greater_than": lambda limit: f"must be more than {_number(limit['gt'])}",
    "greater_than_equal": lambda limit: f"must be at least {_number(limit['ge'])}",
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_type": _WHOLE,
    "less_than": lambda limit: f"must be less than {_number(limit['lt'])}",
    "less_than_equal": lambda limit: f"must be at most {_number(limit['le'])}",
    "literal_error": lambda words: f"must be one of {_words(words['expected'])}",
    "missing": "is missing",
    "model_attributes_type": _ROW,
    "model_type": _ROW,
    "path_type": _TEXT,
    "string_sub_type": _TEXT,
    "string_too_long": lambda limit: f"must have at most {limit['max_length']} characters",
    "string_too_short": "must not be blank",
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "too_long": lambda limit: f"must have at most {limit['max_length']} items",
    "too_short": lambda limit: f"must have at least {limit['min_length']} item",
    "tuple_type": _LIST,
    "url_parsing": _URL,
    "url_scheme": _URL,
    "url_syntax_violation": _URL,
    "url_too_long": _URL,
    "url_type": _URL,
    "value_error": lambda error: str(error["error"]),
}


def describe(details: ErrorDetails) -> str:
    """Returns what is wrong with one value. Does not quote the value."""
    message = _MESSAGES.get(details["type"], UNKNOWN)
    return message if isinstance(message, str) else message(details.get("ctx", {}))


def faults(error: ValidationError) -> list[ErrorDetails]:
    """Returns the errors of the values themselves.

    pydantic also says that a list is too short when each of its items has an error.
    """
    found = error.errors()
    inner = {each["loc"][:length] for each in found for length in range(len(each["loc"]))}
    return [each for each in found if not each["loc"] or each["loc"] not in inner]


def field_path(location: Iterable[int | str]) -> str:
    """Returns where a setting is, such as `accounts[0].api_keys[1].sha256`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _number(limit: float) -> str:
    return f"{limit:,g}" if isinstance(limit, float) else f"{limit:,}"


def _words(expected: str) -> str:
    """`'a', 'b' or 'c'` without quotes."""
    return expected.replace("'", "")
