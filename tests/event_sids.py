"""The SIDs that events must have, for tests that do not care which ones."""

from typing import Any

from gateway.core.events import REQUIRED_SIDS, RoomEventType

_SIDS = {
    "participant_sid": "PA" + "a" * 32,
    "track_sid": "MT" + "a" * 32,
    "recording_sid": "RT" + "a" * 32,
}


def required_sids(type_: RoomEventType) -> dict[str, Any]:
    """The SIDs that an event of this type must have."""
    return {name: _SIDS[name] for name in REQUIRED_SIDS.get(type_, ())}
