"""…/Transcriptions of a room: https://www.twilio.com/docs/video/api/transcriptions. Does no I/O."""

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.rest import validate
from gateway.sandbox.rest.requests import RestRequest, RestResponse, page, word
from gateway.sandbox.rest.resources import rooms
from gateway.sandbox.rest.views import transcription_json
from gateway.sandbox.world.model import Room, Transcription, TranscriptionStatus
from gateway.sandbox.world.world import World


def read(world: World, call: RestRequest, ref: str) -> RestResponse:
    room = rooms.find(world, call, ref)
    found = [room.transcription] if room.transcription else []
    return page(
        call, "transcriptions", found, lambda each: transcription_json(each, room, call.base)
    )


def create(world: World, call: RestRequest, ref: str) -> RestResponse:
    room = rooms.find(world, call, ref)
    made = world.create_transcription(
        room, validate.transcription(call.form, "Configuration") or {}
    )
    return RestResponse(202, transcription_json(made, room, call.base))


def fetch(world: World, call: RestRequest, ref: str, ttid: str) -> RestResponse:
    room, transcription = _find(world, call, ref, ttid)
    return RestResponse(200, transcription_json(transcription, room, call.base))


def update(world: World, call: RestRequest, ref: str, ttid: str) -> RestResponse:
    room, _ = _find(world, call, ref, ttid)
    status = word(call.form, "Status", TranscriptionStatus)
    if status is TranscriptionStatus.FAILED:
        raise TwilioError(20001, "Status must be one of started, stopped")
    configuration = validate.transcription(call.form, "Configuration")
    return RestResponse(
        202,
        transcription_json(
            world.update_transcription(room, status, configuration), room, call.base
        ),
    )


def _find(world: World, call: RestRequest, ref: str, ttid: str) -> tuple[Room, Transcription]:
    room = rooms.find(world, call, ref)
    if room.transcription is None or room.transcription.ttid != ttid:
        raise call.missing()
    return room, room.transcription
