"""Transcriptions of rooms."""

from datetime import datetime

import strawberry
from strawberry import Info

from gateway.core import transcriptions as core
from gateway.gql.schema.context import Context
from gateway.gql.schema.types import ResourceView, derived_field, twilio_details, view_of


@view_of(core.TranscriptionsConfiguration)
@strawberry.type
class TranscriptionsConfiguration:
    transcription_engine: str | None
    speech_model: str | None
    language_code: str | None
    partial_results: bool | None
    profanity_filter: bool | None
    hints: list[str] | None
    enable_automatic_punctuation: bool | None


@strawberry.type
class TranscriptionTwilioDetails:
    url: str | None


@view_of(core.Transcription)
@strawberry.type
class Transcription(ResourceView):
    id_format = "{0.room_sid}:{0.ttid}"

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
    url: strawberry.Private[str | None]

    @derived_field()
    def twilio(self, info: Info[Context, None]) -> TranscriptionTwilioDetails:
        return twilio_details(TranscriptionTwilioDetails, self, info.context.caller)
