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
    deprecated: Mapping[str, str] | None = None,
) -> None:
    """`deprecated` gives the reason by the value's name.

    `strawberry.enum_value` cannot be used: it would have to stand in core.
    """
    enum = strawberry.enum(cls, name=name, description=description)
    assert has_enum_definition(enum)
    for value in enum.__strawberry_definition__.values:
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
    insights.CreatedMethod,
    insights.RoomEndReason,
    insights.ProcessingState,
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
_register(
    rules.TrackRuleEffect, description="What a rule in force does with the tracks it selects."
)
_register(insights.StayStatus, description="A participant's status, in Insights' words.")
_register(
    tokens.Problem,
    name="TokenProblem",
    description="What is wrong with a token, in the order it is looked for.",
)
_register(
    fairness.Priority,
    name="RequestClass",
    description="What a request to Twilio is for, the most urgent first. END ends a room or a "
    "stay, CHANGE is any other change, READ reads one thing, and nobody waits for BACKGROUND.",
)
_register(
    quota.QuotaSource,
    description="SHARED: out of the budget of all replicas. ALONE: out of this replica's part, "
    "for Redis gives no answer. WAITING: nothing is spent for a moment, between the two.",
)
_register(callers.Scope, description="What a caller may do. ADMIN may do everything.")
_register(
    caching.FreshnessSource,
    name="FreshnessSource",
    description="How a room's answers are kept true.",
)
