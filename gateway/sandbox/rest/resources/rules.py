"""…/SubscribeRules and …/RecordingRules. Does no I/O.

https://www.twilio.com/docs/video/api/track-subscriptions and https://www.twilio.com/docs/video/api/recording-rules
"""

from gateway.sandbox.rest.calls import Answer, Call, required
from gateway.sandbox.rest.resources import participants, rooms
from gateway.sandbox.rest.views import recording_rules_json, subscribe_rules_json
from gateway.sandbox.world import rules
from gateway.sandbox.world.engine import Engine


def fetch_subscribe(engine: Engine, call: Call, ref: str, who: str) -> Answer:
    room, participant = participants.find(engine, call, ref, who)
    return Answer(200, subscribe_rules_json(participant, room))


def update_subscribe(engine: Engine, call: Call, ref: str, who: str) -> Answer:
    room, participant = participants.find(engine, call, ref, who)
    new = rules.parse(required(call.form, "Rules"), rules.SUBSCRIBE)
    return Answer(200, subscribe_rules_json(engine.set_subscribe_rules(room, participant, new), room))


def fetch_recording(engine: Engine, call: Call, ref: str) -> Answer:
    return Answer(200, recording_rules_json(rooms.find(engine, call, ref)))


def update_recording(engine: Engine, call: Call, ref: str) -> Answer:
    room = rooms.find(engine, call, ref)
    new = rules.parse(required(call.form, "Rules"), rules.RECORDING)
    return Answer(200, recording_rules_json(engine.set_recording_rules(room, new)))
