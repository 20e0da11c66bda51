"""Deleting recordings, and setting a room's recording rules."""

import strawberry
from strawberry import UNSET, Info

from gateway.core.recordings import NewRecordingRules
from gateway.gql.schema.context import Context
from gateway.gql.schema.ids import recording_sid
from gateway.gql.schema.inputs import build_core
from gateway.gql.schema.mutations.errors import MutationError, expected_outcomes
from gateway.gql.schema.recordings import RecordingRules
from gateway.gql.schema.refs import RoomRef, optional_ref
from gateway.gql.schema.rules import RecordingRuleInput


@strawberry.input(description="Which recording to delete.")
class DeleteRecordingInput:
    recording: strawberry.ID = strawberry.field(description="The recording's SID or `id`.")
    room: RoomRef | None = strawberry.field(
        default=UNSET,
        description="The room of the recording. With it, a recording of another room is not "
        "deleted.",
    )


@strawberry.type(description="The outcome of `deleteRecording`.")
class DeleteRecordingPayload:
    deleted_recording_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The `id` of the recording. Its media is deleted; its metadata stays, with "
        "the status DELETED. Null exactly when there are errors.",
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why the recording was not deleted. Empty on success."
    )


@expected_outcomes(DeleteRecordingPayload)
async def delete_recording(
    info: Info[Context, None],
    input: DeleteRecordingInput,  # noqa: A002
) -> DeleteRecordingPayload | None:
    caller, recordings = info.context.caller, info.context.account.recordings
    sid = recording_sid(input.recording, "recording")
    room = optional_ref(input.room, "room")
    if room is None:
        await recordings.delete(caller, sid)
    else:
        await recordings.delete_room_recording(caller, room, sid)
    return DeleteRecordingPayload(deleted_recording_id=strawberry.ID(sid))


@strawberry.input(description="The new recording rules of a room.")
class UpdateRecordingRulesInput:
    room: RoomRef
    rules: list[RecordingRuleInput]


@strawberry.type(description="The outcome of `updateRecordingRules`.")
class UpdateRecordingRulesPayload:
    recording_rules: RecordingRules | None = strawberry.field(
        default=None, description="The new rules. Null exactly when there are errors."
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why the rules were not changed. Empty on success."
    )


@expected_outcomes(UpdateRecordingRulesPayload)
async def update_recording_rules(
    info: Info[Context, None],
    input: UpdateRecordingRulesInput,  # noqa: A002
) -> UpdateRecordingRulesPayload | None:
    rules = await info.context.account.recordings.update_rules(
        info.context.caller,
        input.room.to_core("room"),
        build_core(NewRecordingRules, rules=input.rules),
    )
    return UpdateRecordingRulesPayload(recording_rules=RecordingRules.from_mutation(rules))
