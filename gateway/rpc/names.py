"""gRPC's names of fields, where they differ from core's. Does no I/O."""

from collections.abc import Mapping
from typing import Final

_NAMES: Final[Mapping[str, str]] = {
    "idempotency_key": "request_id",
    "ttid": "transcription",
    "ttl_s": "ttl",
}


def name_of(field: str) -> str:
    """Returns the proto's name of a field, given core's name."""
    return _NAMES.get(field, field)
