"""SIDs: two letters that say of what, and 32 hex digits. Does no I/O.

https://www.twilio.com/docs/glossary/what-is-a-sid
"""

import re
from collections.abc import Callable, Mapping
from typing import NewType, TypeVar

from gateway.core.errors import InvalidArgument

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
    return _FORMS[kind].fullmatch(text) is not None


def checked_sid(kind: Callable[[str], S], text: str, argument: str) -> S:
    """The text as a SID of this kind, or InvalidArgument with a sentence that says what to give."""
    if not is_sid(kind, text):
        prefix, owner = PREFIXES[kind]
        raise InvalidArgument(
            f"{argument} is not the SID of {owner}; give {prefix} and 32 hex digits"
        )
    return kind(text)
