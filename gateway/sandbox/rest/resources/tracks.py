"""The resources …/PublishedTracks and …/SubscribedTracks. Does no I/O.

https://www.twilio.com/docs/video/api/track-subscriptions
"""

from gateway.sandbox.rest.requests import RestRequest, RestResponse, page
from gateway.sandbox.rest.resources import participants
from gateway.sandbox.rest.resources.rooms import is_path_name
from gateway.sandbox.rest.views import published_json, subscribed_json
from gateway.sandbox.world.rooms import subscriptions
from gateway.sandbox.world.world import World


def read_published(
    world: World, request: RestRequest, room_ref: str, participant_ref: str
) -> RestResponse:
    """Lists the tracks that are published now. A participant who has left has none."""
    room, participant = participants.find(world, request, room_ref, participant_ref)
    return page(
        request,
        "published_tracks",
        reversed(participant.tracks),
        lambda track: published_json(track, participant, room, request.base_url),
    )


def fetch_published(
    world: World, request: RestRequest, room_ref: str, participant_ref: str, name: str
) -> RestResponse:
    """Fetches a track by SID or name."""
    room, participant = participants.find(world, request, room_ref, participant_ref)
    for track in participant.tracks:
        if track.sid == name or (track.name == name and is_path_name(name)):
            return RestResponse(200, published_json(track, participant, room, request.base_url))
    raise request.not_found()


def read_subscribed(
    world: World, request: RestRequest, room_ref: str, participant_ref: str
) -> RestResponse:
    room, participant = participants.find(world, request, room_ref, participant_ref)
    return page(
        request,
        "subscribed_tracks",
        subscriptions(room, participant),
        lambda item: subscribed_json(item, participant, room, request.base_url),
    )


def fetch_subscribed(
    world: World, request: RestRequest, room_ref: str, participant_ref: str, sid: str
) -> RestResponse:
    """Fetches a track by SID only, because several publishers may use the same name."""
    room, participant = participants.find(world, request, room_ref, participant_ref)
    for item in subscriptions(room, participant):
        if item.track.sid == sid:
            return RestResponse(200, subscribed_json(item, participant, room, request.base_url))
    raise request.not_found()
