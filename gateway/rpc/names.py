"""gRPC's names of fields, where they differ from core's, and of values of enums. Does
no I/O."""

from collections.abc import Mapping
from typing import Final

from gateway.rpc.enums import NARROW_TABLES, TABLES

_NAMES: Final[Mapping[str, str]] = {
    "idempotency_key": "request_id",
    "ttid": "transcription",
    "ttl_s": "ttl",
}
_VALUES: Final[Mapping[str, str]] = {
    f"{type(member).__name__}.{member.name}": name
    for table in (*TABLES.values(), *NARROW_TABLES.values())
    for member, name in table.names.items()
}


def name_of(field: str) -> str:
    """Returns the proto's name of a field or of an enum's value, given core's name."""
    return _VALUES[field] if "." in field else _NAMES.get(field, field)
