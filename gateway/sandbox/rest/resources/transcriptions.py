"""The resource …/Transcriptions of a room. Does no I/O.

https://www.twilio.com/docs/video/api/transcriptions
"""

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.rest import validate
from gateway.sandbox.rest.requests import RestRequest, RestResponse, enum_value, page
from gateway.sandbox.rest.resources import rooms
from gateway.sandbox.rest.views import transcription_json
from gateway.sandbox.world.model import Room, Transcription, TranscriptionStatus
from gateway.sandbox.world.world import World


def read(world: World, request: RestRequest, room_ref: str) -> RestResponse:
    room = rooms.find(world, request, room_ref)
    return page(
        request,
        "transcriptions",
        [room.transcription] if room.transcription else [],
        lambda item: transcription_json(item, room, request.base_url),
    )


def create(world: World, request: RestRequest, room_ref: str) -> RestResponse:
    room = rooms.find(world, request, room_ref)
    configuration = validate.transcription(request.form, "Configuration") or {}
    transcription = world.create_transcription(room, configuration)
    return RestResponse(202, transcription_json(transcription, room, request.base_url))


def fetch(world: World, request: RestRequest, room_ref: str, ttid: str) -> RestResponse:
    room, transcription = _find(world, request, room_ref, ttid)
    return RestResponse(200, transcription_json(transcription, room, request.base_url))


def update(world: World, request: RestRequest, room_ref: str, ttid: str) -> RestResponse:
    room, _ = _find(world, request, room_ref, ttid)
    status = enum_value(request.form, "Status", TranscriptionStatus)
    if status is TranscriptionStatus.FAILED:
        raise TwilioError(20001, "Status must be one of started, stopped")
    configuration = validate.transcription(request.form, "Configuration")
    transcription = world.update_transcription(room, status, configuration)
    return RestResponse(202, transcription_json(transcription, room, request.base_url))


def _find(
    world: World, request: RestRequest, room_ref: str, ttid: str
) -> tuple[Room, Transcription]:
    room = rooms.find(world, request, room_ref)
    if room.transcription is None or room.transcription.ttid != ttid:
        raise request.not_found()
    return room, room.transcription
