"""The resource /v1/Rooms. Does no I/O.

https://www.twilio.com/docs/video/api/rooms-resource
"""

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.rest import validate
from gateway.sandbox.rest.requests import (
    RestRequest,
    RestResponse,
    date_filter,
    enum_value,
    page,
    required,
)
from gateway.sandbox.rest.views import room_json
from gateway.sandbox.world.model import Room, RoomStatus
from gateway.sandbox.world.world import World

# A room whose name has one of these characters cannot be reached by path, not even
# percent-encoded: twilio/twilio-python#503.
# https://www.rfc-editor.org/rfc/rfc3986#section-2.2
RESERVED = frozenset(":/?#[]@!$&'()*+,;=")


def find(world: World, request: RestRequest, room_ref: str) -> Room:
    """Finds a room by SID, or by name while in progress."""
    store = world.store(request.account.sid)
    as_of_s = as_of(world, request)
    room = store.by_sid(room_ref, as_of_s)
    if room is None and is_path_name(room_ref):
        room = store.by_name(room_ref, as_of_s)
    if room is None:
        raise request.not_found()
    return room


def as_of(world: World, request: RestRequest) -> float | None:
    """Returns the time of the state that a read returns, or None for the present.

    Writes always apply to the present state.
    """
    return world.now_s() - request.lag_s if request.lag_s and request.method == "GET" else None


def is_path_name(name: str) -> bool:
    """Whether a name can be used in a path.

    Dot segments cannot, because clients and proxies remove them.
    """
    return RESERVED.isdisjoint(name) and name not in (".", "..")


def create(world: World, request: RestRequest) -> RestResponse:
    settings = validate.room_settings(request.form, request.account.has_legacy_types)
    room = world.create_room(request.account.sid, settings)
    return RestResponse(201, room_json(room, request.base_url))


def fetch(world: World, request: RestRequest, room_ref: str) -> RestResponse:
    return RestResponse(200, room_json(find(world, request, room_ref), request.base_url))


def update(world: World, request: RestRequest, room_ref: str) -> RestResponse:
    room = find(world, request, room_ref)
    if required(request.form, "Status") != RoomStatus.COMPLETED:
        raise TwilioError(53112, "Status is invalid: a Room can only be set to completed")
    return RestResponse(202, room_json(world.complete(room), request.base_url))


def read(world: World, request: RestRequest) -> RestResponse:
    status = enum_value(request.query, "Status", RoomStatus) or RoomStatus.IN_PROGRESS
    name = request.query.first("UniqueName")
    is_in_range = date_filter(request.query)
    store = world.store(request.account.sid)
    matching = (
        room
        for room in store.newest_first(status is RoomStatus.IN_PROGRESS, as_of(world, request))
        if room.status is status
        and (name is None or room.name == name)
        and is_in_range(room.created.wall)
    )
    filters = ("UniqueName", "DateCreatedAfter", "DateCreatedBefore")
    return page(
        request,
        "rooms",
        matching,
        lambda room: room_json(room, request.base_url),
        filters,
        fixed=[("Status", status)],
    )
