"""Starting, stopping and configuring transcriptions."""

import strawberry
from strawberry import UNSET, Info

from gateway.core.errors import below
from gateway.core.transcriptions import TranscriptionUpdate
from gateway.gql.schema.context import Context
from gateway.gql.schema.ids import transcription_id
from gateway.gql.schema.input_enums import TranscriptionStatusInput
from gateway.gql.schema.inputs import (
    TranscriptionsConfigurationInput,
    build_core,
    optional,
    to_core,
)
from gateway.gql.schema.mutations.errors import MutationError, expected_outcomes
from gateway.gql.schema.refs import RoomRef
from gateway.gql.schema.transcriptions import Transcription


@strawberry.input(description="Which room to transcribe, and how.")
class StartTranscriptionInput:
    room: RoomRef
    configuration: TranscriptionsConfigurationInput | None = UNSET
    idempotency_key: str | None = UNSET


@strawberry.type(description="The outcome of `startTranscription`.")
class StartTranscriptionPayload:
    transcription: Transcription | None = strawberry.field(
        default=None, description="The new transcription. Null exactly when there are errors."
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why no transcription was started. Empty on success."
    )


@expected_outcomes(StartTranscriptionPayload)
async def start_transcription(
    info: Info[Context, None],
    input: StartTranscriptionInput,  # noqa: A002
) -> StartTranscriptionPayload | None:
    with below("configuration"):
        configuration = to_core(optional(input.configuration))
    transcription = await info.context.account.transcriptions.create(
        info.context.caller,
        input.room.to_core("room"),
        configuration,
        optional(input.idempotency_key),
    )
    return StartTranscriptionPayload(transcription=Transcription.from_mutation(transcription))


@strawberry.input(
    description="A change of a transcription: its status, its configuration or both. At "
    "least one of them must be set."
)
class UpdateTranscriptionInput:
    room: RoomRef
    transcription: strawberry.ID = strawberry.field(
        description="The transcription's `id`, or Twilio's `ttid`."
    )
    status: TranscriptionStatusInput | None = UNSET
    configuration: TranscriptionsConfigurationInput | None = UNSET


@strawberry.type(description="The outcome of `updateTranscription`.")
class UpdateTranscriptionPayload:
    transcription: Transcription | None = strawberry.field(
        default=None, description="The changed transcription. Null exactly when there are errors."
    )
    errors: list[MutationError] = strawberry.field(
        default_factory=list, description="Why the transcription was not changed. Empty on success."
    )


@expected_outcomes(UpdateTranscriptionPayload)
async def update_transcription(
    info: Info[Context, None],
    input: UpdateTranscriptionInput,  # noqa: A002
) -> UpdateTranscriptionPayload | None:
    transcription = await info.context.account.transcriptions.update(
        info.context.caller,
        input.room.to_core("room"),
        transcription_id(input.transcription, "transcription"),
        build_core(TranscriptionUpdate, status=input.status, configuration=input.configuration),
    )
    return UpdateTranscriptionPayload(transcription=Transcription.from_mutation(transcription))
