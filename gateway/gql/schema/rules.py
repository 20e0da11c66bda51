"""Rules in force: what a room records, and what a participant subscribes to."""

import strawberry

from gateway.core import rules as core
from gateway.gql.schema import enums as enums  # registers the enums before any type uses one
from gateway.gql.schema.types import view_of


@view_of(core.TrackRule)
@strawberry.type(description="A rule in force.")
class TrackRule:
    type: core.TrackRuleEffect = strawberry.field(name="effect")
    all: bool | None
    kind: core.TrackKind | None
    publisher: str | None
    track: str | None
    priority: core.TrackPriority | None = strawberry.field(description="Of subscribe rules only.")
