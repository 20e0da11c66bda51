"""The resource /v1/Video/Rooms of Insights. Does no I/O.

https://www.twilio.com/docs/video/troubleshooting/video-log-analyzer-api
"""

from enum import StrEnum

from gateway.sandbox.rest import insights
from gateway.sandbox.rest.requests import RestRequest, RestResponse, date_filter, enum_values, page
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


def read(world: World, request: RestRequest) -> RestResponse:
    """Lists the rooms that ended in the last 24 hours, or with a date filter all."""
    types = enum_values(request.query, "RoomType", RoomType)
    codecs = enum_values(request.query, "Codec", Codec)
    name = request.query.first("RoomName")
    is_in_range = date_filter(request.query, "Created")
    has_dates = any(
        request.query.first(parameter) is not None
        for parameter in ("CreatedAfter", "CreatedBefore")
    )
    now_s = _now_s(world, request)
    matching = (
        room
        for room in world.store(request.account.sid).newest_first(
            False, rooms.as_of(world, request)
        )
        if (insights.is_available if has_dates else insights.is_recent)(room, now_s)
        and (name is None or room.name == name)
        and (not types or insights.room_type(room) in types)
        and (not codecs or not codecs.isdisjoint(insights.codecs(room.participants)))
        and is_in_range(room.created.wall)
    )
    filters = ("RoomType", "Codec", "RoomName", "CreatedAfter", "CreatedBefore")
    return page(
        request,
        "rooms",
        matching,
        lambda room: insights.room_json(room, request.base_url, now_s),
        filters,
    )


def fetch(world: World, request: RestRequest, sid: str) -> RestResponse:
    return RestResponse(
        200,
        insights.room_json(_find(world, request, sid), request.base_url, _now_s(world, request)),
    )


def read_participants(world: World, request: RestRequest, sid: str) -> RestResponse:
    room = _find(world, request, sid)
    return page(
        request,
        "participants",
        reversed(room.participants),
        lambda participant: insights.participant_json(participant, room, request.base_url),
    )


def fetch_participant(
    world: World, request: RestRequest, sid: str, participant_sid: str
) -> RestResponse:
    room = _find(world, request, sid)
    for participant in room.participants:
        if participant.sid == participant_sid:
            return RestResponse(200, insights.participant_json(participant, room, request.base_url))
    raise request.not_found()


def _find(world: World, request: RestRequest, sid: str) -> Room:
    """Finds an ended room, by SID only."""
    room = world.store(request.account.sid).by_sid(sid, rooms.as_of(world, request))
    if room is None or not insights.is_available(room, _now_s(world, request)):
        raise request.not_found()
    return room


def _now_s(world: World, request: RestRequest) -> float:
    return world.now_s() - request.lag_s
