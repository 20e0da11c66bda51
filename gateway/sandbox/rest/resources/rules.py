"""The resources …/SubscribeRules and …/RecordingRules. Does no I/O.

https://www.twilio.com/docs/video/api/track-subscriptions
https://www.twilio.com/docs/video/api/recording-rules
"""

from gateway.sandbox.rest.requests import RestRequest, RestResponse, required
from gateway.sandbox.rest.resources import participants, rooms
from gateway.sandbox.rest.views import recording_rules_json, subscribe_rules_json
from gateway.sandbox.world import rules
from gateway.sandbox.world.world import World


def fetch_subscribe(
    world: World, request: RestRequest, room_ref: str, participant_ref: str
) -> RestResponse:
    room, participant = participants.find(world, request, room_ref, participant_ref)
    return RestResponse(200, subscribe_rules_json(participant, room))


def update_subscribe(
    world: World, request: RestRequest, room_ref: str, participant_ref: str
) -> RestResponse:
    room, participant = participants.find(world, request, room_ref, participant_ref)
    new = rules.parse(required(request.form, "Rules"), rules.SUBSCRIBE)
    return RestResponse(
        200, subscribe_rules_json(world.set_subscribe_rules(room, participant, new), room)
    )


def fetch_recording(world: World, request: RestRequest, room_ref: str) -> RestResponse:
    return RestResponse(200, recording_rules_json(rooms.find(world, request, room_ref)))


def update_recording(world: World, request: RestRequest, room_ref: str) -> RestResponse:
    room = rooms.find(world, request, room_ref)
    new = rules.parse(required(request.form, "Rules"), rules.RECORDING)
    return RestResponse(200, recording_rules_json(world.set_recording_rules(room, new)))
