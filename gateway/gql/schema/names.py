"""GraphQL's names of fields, where they are not core's in camel case. Does no I/O."""

from collections.abc import Mapping
from typing import Final

_NAMES: Final[Mapping[str, str]] = {
    "page_size": "first",
    "page_token": "after",
    "ttl_s": "ttl",
    "ttid": "transcription",
}


def graphql_name(field: str) -> str:
    """Returns GraphQL's name of a field, given core's name."""
    return _NAMES.get(field) or camel_case(field)


def camel_case(name: str) -> str:
    """Returns a name in snake case in camel case."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
