"""SIDs: two letters for the kind of resource, and 32 hex digits. Does no I/O.

https://www.twilio.com/docs/glossary/what-is-a-sid
"""

import re
from collections.abc import Callable, Mapping
from typing import NewType, TypeVar

from gateway.core.errors import InvalidArgument, Path

AccountSid = NewType("AccountSid", str)
RoomSid = NewType("RoomSid", str)
ParticipantSid = NewType("ParticipantSid", str)
TrackSid = NewType("TrackSid", str)
RecordingSid = NewType("RecordingSid", str)

S = TypeVar("S", bound=str)

PREFIXES: Mapping[object, tuple[str, str]] = {
    AccountSid: ("AC", "an account"),
    RoomSid: ("RM", "a room"),
    ParticipantSid: ("PA", "a participant"),
    TrackSid: ("MT", "a track"),
    RecordingSid: ("RT", "a recording"),
}
_FORMS = {kind: re.compile(f"{prefix}[0-9a-fA-F]{{32}}") for kind, (prefix, _) in PREFIXES.items()}


def is_sid(kind: Callable[[str], S], text: str) -> bool:
    """Whether the text has the form of a SID of this kind."""
    return _FORMS[kind].fullmatch(text) is not None


def checked_sid(kind: Callable[[str], S], text: str, field: str | Path) -> S:
    """Returns the text as a SID of this kind. Raises InvalidArgument, which names
    `field`."""
    if not is_sid(kind, text):
        prefix, owner = PREFIXES[kind]
        raise InvalidArgument.at(
            field, f"is not the SID of {owner}; give {prefix} and 32 hex digits"
        )
    return kind(text)
