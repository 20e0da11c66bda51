"""Transcriptions of rooms."""

from datetime import datetime

import strawberry
from strawberry import UNSET, Info

from gateway.core import transcriptions as core
from gateway.core.rooms import RoomRef
from gateway.core.transcriptions import TranscriptionUpdate
from gateway.gql.schema.context import Context
from gateway.gql.schema.ids import transcription_ref
from gateway.gql.schema.inputs import (
    TranscriptionsConfigurationInput,
    build_core,
    optional,
    to_core,
)
from gateway.gql.schema.types import Node, ResourceView, view_of


@view_of(core.TranscriptionsConfiguration)
@strawberry.type(description="Null leaves the engine's default.")
class TranscriptionsConfiguration:
    transcription_engine: str | None
    speech_model: str | None
    language_code: str | None
    partial_results: bool | None
    profanity_filter: bool | None
    hints: list[str] | None
    enable_automatic_punctuation: bool | None


@view_of(core.Transcription)
@strawberry.type(
    description="A room's transcription: it has one at most. `duration` is in seconds. The text "
    "goes to the participants."
)
class Transcription(Node, ResourceView):
    id_fields = ("room_sid", "ttid")

    ttid: strawberry.ID
    account_sid: strawberry.ID
    room_sid: strawberry.ID
    status: core.TranscriptionStatus
    source_sid: strawberry.ID | None
    create_time: datetime | None
    update_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    duration: int | None
    configuration: TranscriptionsConfiguration | None
    url: str | None


async def start_transcription(
    info: Info[Context, None],
    room: strawberry.ID,
    configuration: TranscriptionsConfigurationInput | None = UNSET,
) -> Transcription:
    ref, settings = RoomRef.of(room), to_core(optional(configuration))
    return Transcription.from_mutation(
        await info.context.account.transcriptions.create(info.context.caller, ref, settings)
    )


async def update_transcription(
    info: Info[Context, None],
    room: strawberry.ID,
    transcription: strawberry.ID,
    status: core.TranscriptionStatus | None = UNSET,
    configuration: TranscriptionsConfigurationInput | None = UNSET,
) -> Transcription:
    ref = RoomRef.of(room)
    update = build_core(TranscriptionUpdate, status=status, configuration=configuration)
    return Transcription.from_mutation(
        await info.context.account.transcriptions.update(
            info.context.caller, ref, transcription_ref(transcription), update
        )
    )
