"""/v1/Video/Rooms of Insights. Does no I/O.

https://www.twilio.com/docs/video/troubleshooting/video-log-analyzer-api
"""

from enum import StrEnum

from gateway.sandbox.rest import insights
from gateway.sandbox.rest.requests import RestRequest, RestResponse, all_words, dates, page
from gateway.sandbox.rest.resources import rooms
from gateway.sandbox.world.model import Room
from gateway.sandbox.world.world import World


class RoomType(StrEnum):
    GO = "go"
    PEER_TO_PEER = "peer_to_peer"
    GROUP = "group"
    GROUP_SMALL = "group_small"


class Codec(StrEnum):
    VP8 = "VP8"
    H264 = "H264"
    VP9 = "VP9"
    OPUS = "opus"


def read(world: World, call: RestRequest) -> RestResponse:
    """Without dates, only rooms that ended in the last 24 hours; with one, all that are kept."""
    types, codecs = (
        all_words(call.query, "RoomType", RoomType),
        all_words(call.query, "Codec", Codec),
    )
    name = call.query.first("RoomName")
    is_wanted_date = dates(call.query, "Created")
    is_dated = any(call.query.first(name) is not None for name in ("CreatedAfter", "CreatedBefore"))
    now_s = _now_s(world, call)
    found = (
        room
        for room in world.store(call.account.sid).newest_first(False, rooms.as_of(world, call))
        if (insights.is_kept if is_dated else insights.is_recent)(room, now_s)
        and (name is None or room.name == name)
        and (not types or insights.type_word(room) in types)
        and (not codecs or not codecs.isdisjoint(insights.codecs(room.participants)))
        and is_wanted_date(room.created.wall)
    )
    filters = ("RoomType", "Codec", "RoomName", "CreatedAfter", "CreatedBefore")
    return page(
        call, "rooms", found, lambda room: insights.room_json(room, call.base, now_s), filters
    )


def fetch(world: World, call: RestRequest, sid: str) -> RestResponse:
    return RestResponse(
        200, insights.room_json(_find(world, call, sid), call.base, _now_s(world, call))
    )


def read_participants(world: World, call: RestRequest, sid: str) -> RestResponse:
    room = _find(world, call, sid)
    found = reversed(room.participants)
    return page(
        call, "participants", found, lambda each: insights.participant_json(each, room, call.base)
    )


def fetch_participant(world: World, call: RestRequest, sid: str, who: str) -> RestResponse:
    room = _find(world, call, sid)
    for participant in room.participants:
        if participant.sid == who:
            return RestResponse(200, insights.participant_json(participant, room, call.base))
    raise call.missing()


def _find(world: World, call: RestRequest, sid: str) -> Room:
    """By SID only, from the room's end on."""
    room = world.store(call.account.sid).by_sid(sid, rooms.as_of(world, call))
    if room is None or not insights.is_kept(room, _now_s(world, call)):
        raise call.missing()
    return room


def _now_s(world: World, call: RestRequest) -> float:
    return world.now_s() - call.lag_s
