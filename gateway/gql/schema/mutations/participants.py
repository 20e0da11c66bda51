"""Removing and anonymizing participants, and setting their subscribe rules."""

import strawberry
from strawberry import UNSET, Info

from gateway.core.participants import NewSubscribeRules
from gateway.gql.schema.context import Context
from gateway.gql.schema.inputs import build_core, optional
from gateway.gql.schema.mutations.errors import MutationError, expected_outcomes
from gateway.gql.schema.participants import Participant, SubscribeRules
from gateway.gql.schema.refs import ParticipantRef, RoomRef
from gateway.gql.schema.rules import SubscribeRuleInput


@strawberry.input(description="Which participant to remove.")
class DisconnectParticipantInput:
    room: RoomRef
    participant: ParticipantRef
    idempotency_key: str | None = UNSET


@strawberry.type(description="The outcome of `disconnectParticipant`.")
class DisconnectParticipantPayload:
    participant: Participant | None = strawberry.field(
        default=None, description="The removed participant. Null exactly when there are errors."
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why the participant was not removed. Empty on success."
    )


@expected_outcomes(DisconnectParticipantPayload)
async def disconnect_participant(
    info: Info[Context, None],
    input: DisconnectParticipantInput,  # noqa: A002
) -> DisconnectParticipantPayload | None:
    participant = await info.context.account.participants.disconnect(
        info.context.caller,
        input.room.to_core("room"),
        input.participant.to_core("participant"),
        optional(input.idempotency_key),
    )
    return DisconnectParticipantPayload(participant=Participant.from_mutation(participant))


@strawberry.input(description="Which participant to anonymize.")
class AnonymizeParticipantInput:
    room: RoomRef
    participant: ParticipantRef


@strawberry.type(description="The outcome of `anonymizeParticipant`.")
class AnonymizeParticipantPayload:
    participant: Participant | None = strawberry.field(
        default=None,
        description="The participant, with its SID as identity. Null exactly when there are "
        "errors.",
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why the identity was not replaced. Empty on success."
    )


@expected_outcomes(AnonymizeParticipantPayload)
async def anonymize_participant(
    info: Info[Context, None],
    input: AnonymizeParticipantInput,  # noqa: A002
) -> AnonymizeParticipantPayload | None:
    participant = await info.context.account.participants.anonymize(
        info.context.caller,
        input.room.to_core("room"),
        input.participant.to_core("participant"),
    )
    return AnonymizeParticipantPayload(participant=Participant.from_mutation(participant))


@strawberry.input(description="The new subscribe rules of a participant.")
class UpdateSubscribeRulesInput:
    room: RoomRef
    participant: ParticipantRef
    rules: list[SubscribeRuleInput]


@strawberry.type(description="The outcome of `updateSubscribeRules`.")
class UpdateSubscribeRulesPayload:
    subscribe_rules: SubscribeRules | None = strawberry.field(
        default=None, description="The new rules. Null exactly when there are errors."
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why the rules were not changed. Empty on success."
    )


@expected_outcomes(UpdateSubscribeRulesPayload)
async def update_subscribe_rules(
    info: Info[Context, None],
    input: UpdateSubscribeRulesInput,  # noqa: A002
) -> UpdateSubscribeRulesPayload | None:
    rules = await info.context.account.participants.update_subscribe_rules(
        info.context.caller,
        input.room.to_core("room"),
        input.participant.to_core("participant"),
        build_core(NewSubscribeRules, rules=input.rules),
    )
    return UpdateSubscribeRulesPayload(subscribe_rules=SubscribeRules.from_mutation(rules))
