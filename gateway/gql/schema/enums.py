"""Registers core's enums with GraphQL. Does no I/O."""

from collections.abc import Mapping
from enum import EnumMeta

import strawberry
from strawberry.types.enum import has_enum_definition

from gateway.core import (
    caching,
    callers,
    events,
    insights,
    open_enum,
    participants,
    recordings,
    rooms,
    rules,
    tokens,
    transcriptions,
)
from gateway.core.limits import fairness, quota

LEGACY_ROOM_TYPE = "Twilio has deprecated this type and closed it to new accounts; use GROUP."


def _register(
    cls: EnumMeta,
    name: str | None = None,
    description: str | None = None,
    descriptions: Mapping[str, str] | None = None,
    deprecated: Mapping[str, str] | None = None,
) -> None:
    """`descriptions` and `deprecated` give a text and a reason by the value's name.

    `strawberry.enum_value` cannot be used: it would have to stand in core.
    """
    enum = strawberry.enum(cls, name=name, description=description)
    assert has_enum_definition(enum)
    for value in enum.__strawberry_definition__.values:
        value.description = (descriptions or {}).get(value.name)
        value.deprecation_reason = (deprecated or {}).get(value.name)


for _cls in (
    rooms.RoomStatus,
    rooms.VideoCodec,
    open_enum.HttpMethod,
    participants.ParticipantStatus,
    rules.TrackKind,
    rules.TrackPriority,
    recordings.RecordingStatus,
    recordings.ContainerFormat,
    recordings.MediaCodec,
    transcriptions.TranscriptionStatus,
    insights.RoomCreatedMethod,
    insights.RoomEndReason,
    insights.InsightsProcessingState,
    insights.EdgeLocation,
    events.RoomEventType,
    events.RoomEventSource,
    events.RoomChangeKind,
    events.RecordingOperation,
    events.StreamMode,
    events.ResyncReason,
):
    _register(_cls)
_register(
    rooms.RoomType,
    deprecated=dict.fromkeys(("GROUP_SMALL", "PEER_TO_PEER", "GO"), LEGACY_ROOM_TYPE),
)
_register(rules.TrackRuleEffect)
_register(insights.InsightsParticipantStatus)
_register(
    tokens.Problem,
    name="TokenProblem",
)
_register(
    fairness.Priority,
    name="RequestClass",
)
_register(
    quota.QuotaSource,
)
_register(
    callers.Scope,
    description="What a caller may do.",
    descriptions={
        "ROOMS_READ": "Read rooms and what belongs to them, and the quota.",
        "ROOMS_WRITE": "Change rooms and what belongs to them.",
        "EVENTS_SUBSCRIBE": "Subscribe to events and live views, and read the event log.",
        "TOKENS_MINT": "Make and explain access tokens.",
        "ADMIN": "Do everything, and read the callback addresses, which contain a secret. A caller "
        "with this scope has no other in its list.",
    },
)
_register(
    caching.FreshnessSource,
    name="FreshnessSource",
)
