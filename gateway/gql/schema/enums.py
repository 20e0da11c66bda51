"""Core's enums under their GraphQL names. Does no I/O."""

from collections.abc import Mapping
from enum import EnumMeta

import strawberry

from gateway.core import (
    caching,
    events,
    insights,
    participants,
    recordings,
    rooms,
    rules,
    tokens,
    transcriptions,
)
from gateway.core.limits import quota

_LEGACY = "Twilio has deprecated this type and closed it to new accounts; use GROUP."


def _enum(
    cls: EnumMeta,
    name: str | None = None,
    description: str | None = None,
    deprecated: Mapping[str, str] | None = None,
) -> None:
    definition = strawberry.enum(cls, name=name, description=description).__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.deprecation_reason = (deprecated or {}).get(value.name)


for _each in (
    rooms.RoomStatus,
    rooms.VideoCodec,
    participants.ParticipantStatus,
    rules.RuleType,
    rules.TrackKind,
    rules.TrackPriority,
    recordings.RecordedKind,
    recordings.RecordingStatus,
    recordings.ContainerFormat,
    recordings.Codec,
    transcriptions.TranscriptionStatus,
    insights.CreatedMethod,
    insights.RoomEndReason,
    insights.ProcessingState,
    insights.EdgeLocation,
    events.RoomEventType,
    events.EventSource,
    events.Changed,
    events.StreamMode,
    events.ResyncReason,
):
    _enum(_each)
_enum(rooms.RoomType, deprecated=dict.fromkeys(("GROUP_SMALL", "PEER_TO_PEER", "GO"), _LEGACY))
_enum(rules.RuleEffect, description="What a rule in force does; RuleType is what may be asked for.")
_enum(insights.StayStatus, description="A participant's status, in Insights' words.")
_enum(
    tokens.Problem,
    name="TokenProblem",
    description="What is wrong with a token, in the order it is looked for.",
)
_enum(
    quota.RequestClass,
    description="What a request to Twilio is for, the most urgent first. END ends a room or a stay, CHANGE is any other change, "
    "READ reads one thing, and nobody waits for BACKGROUND.",
)
_enum(
    quota.QuotaSource,
    description="SHARED: out of the budget of all replicas. ALONE: out of this replica's part, for Redis gives no answer. "
    "WAITING: nothing is spent for a moment, between the two.",
)
_enum(
    caching.FreshnessSource,
    name="FreshnessSource",
    description="How a room's answers are kept true.",
)
