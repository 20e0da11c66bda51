"""…/Transcriptions of a room: https://www.twilio.com/docs/video/api/transcriptions. Does no I/O."""

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.rest import validate
from gateway.sandbox.rest.calls import Answer, Call, page, word
from gateway.sandbox.rest.resources import rooms
from gateway.sandbox.rest.views import transcription_json
from gateway.sandbox.world.engine import Engine
from gateway.sandbox.world.model import Room, Transcription, TranscriptionStatus


def read(engine: Engine, call: Call, ref: str) -> Answer:
    room = rooms.find(engine, call, ref)
    found = [room.transcription] if room.transcription else []
    return page(call, "transcriptions", found, lambda each: transcription_json(each, room, call.base))


def create(engine: Engine, call: Call, ref: str) -> Answer:
    room = rooms.find(engine, call, ref)
    made = engine.create_transcription(room, validate.transcription(call.form, "Configuration") or {})
    return Answer(202, transcription_json(made, room, call.base))


def fetch(engine: Engine, call: Call, ref: str, ttid: str) -> Answer:
    room, transcription = _find(engine, call, ref, ttid)
    return Answer(200, transcription_json(transcription, room, call.base))


def update(engine: Engine, call: Call, ref: str, ttid: str) -> Answer:
    room, _ = _find(engine, call, ref, ttid)
    status = word(call.form, "Status", TranscriptionStatus)
    if status is TranscriptionStatus.FAILED:
        raise TwilioError(20001, "Status must be one of started, stopped")
    configuration = validate.transcription(call.form, "Configuration")
    return Answer(202, transcription_json(engine.update_transcription(room, status, configuration), room, call.base))


def _find(engine: Engine, call: Call, ref: str, ttid: str) -> tuple[Room, Transcription]:
    room = rooms.find(engine, call, ref)
    if room.transcription is None or room.transcription.ttid != ttid:
        raise call.missing()
    return room, room.transcription
