"""…/PublishedTracks and …/SubscribedTracks: https://www.twilio.com/docs/video/api/track-subscriptions. Does no I/O."""

from gateway.sandbox.rest.requests import RestRequest, RestResponse, page
from gateway.sandbox.rest.resources import participants
from gateway.sandbox.rest.resources.rooms import is_path_name
from gateway.sandbox.rest.views import published_json, subscribed_json
from gateway.sandbox.world.rooms import subscriptions
from gateway.sandbox.world.world import World


def read_published(world: World, call: RestRequest, ref: str, who: str) -> RestResponse:
    """Only what is published now: who has left publishes nothing."""
    room, participant = participants.find(world, call, ref, who)
    return page(
        call,
        "published_tracks",
        reversed(participant.tracks),
        lambda track: published_json(track, participant, room, call.base),
    )


def fetch_published(world: World, call: RestRequest, ref: str, who: str, name: str) -> RestResponse:
    """By SID or name."""
    room, participant = participants.find(world, call, ref, who)
    for track in participant.tracks:
        if track.sid == name or (track.name == name and is_path_name(name)):
            return RestResponse(200, published_json(track, participant, room, call.base))
    raise call.missing()


def read_subscribed(world: World, call: RestRequest, ref: str, who: str) -> RestResponse:
    room, participant = participants.find(world, call, ref, who)
    found = subscriptions(room, participant)
    return page(
        call,
        "subscribed_tracks",
        found,
        lambda each: subscribed_json(each, participant, room, call.base),
    )


def fetch_subscribed(world: World, call: RestRequest, ref: str, who: str, sid: str) -> RestResponse:
    """By SID only: several publishers may use one name."""
    room, participant = participants.find(world, call, ref, who)
    for each in subscriptions(room, participant):
        if each.track.sid == sid:
            return RestResponse(200, subscribed_json(each, participant, room, call.base))
    raise call.missing()
