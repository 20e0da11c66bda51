"""/v1/Rooms: https://www.twilio.com/docs/video/api/rooms-resource. Does no I/O."""

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.rest import validate
from gateway.sandbox.rest.requests import RestRequest, RestResponse, dates, page, required, word
from gateway.sandbox.rest.views import room_json
from gateway.sandbox.world.model import Room, RoomStatus
from gateway.sandbox.world.world import World

# A name with one of these is not reachable by path, not even percent-encoded (twilio/twilio-python#503).
# https://www.rfc-editor.org/rfc/rfc3986#section-2.2
RESERVED = frozenset(":/?#[]@!$&'()*+,;=")


def find(world: World, call: RestRequest, ref: str) -> Room:
    """By SID in any state, by name while in progress."""
    store = world.store(call.account.sid)
    as_of_s = as_of(world, call)
    room = store.by_sid(ref, as_of_s)
    if room is None and is_path_name(ref):
        room = store.by_name(ref, as_of_s)
    if room is None:
        raise call.missing()
    return room


def as_of(world: World, call: RestRequest) -> float | None:
    """Only reads look back: a write is decided by the truth."""
    return world.now_s() - call.lag_s if call.lag_s and call.method == "GET" else None


def is_path_name(name: str) -> bool:
    """A dot segment never arrives: clients and proxies resolve it away."""
    return RESERVED.isdisjoint(name) and name not in (".", "..")


def create(world: World, call: RestRequest) -> RestResponse:
    settings = validate.room_settings(call.form, call.account.has_legacy_types)
    return RestResponse(201, room_json(world.create_room(call.account.sid, settings), call.base))


def fetch(world: World, call: RestRequest, ref: str) -> RestResponse:
    return RestResponse(200, room_json(find(world, call, ref), call.base))


def update(world: World, call: RestRequest, ref: str) -> RestResponse:
    room = find(world, call, ref)
    if required(call.form, "Status") != RoomStatus.COMPLETED:
        raise TwilioError(53112, "Status is invalid: a Room can only be set to completed")
    return RestResponse(202, room_json(world.complete(room), call.base))


def read(world: World, call: RestRequest) -> RestResponse:
    status = word(call.query, "Status", RoomStatus) or RoomStatus.IN_PROGRESS
    name = call.query.first("UniqueName")
    is_wanted_date = dates(call.query)
    store = world.store(call.account.sid)
    found = (
        room
        for room in store.newest_first(status is RoomStatus.IN_PROGRESS, as_of(world, call))
        if room.status is status
        and (name is None or room.name == name)
        and is_wanted_date(room.created.wall)
    )
    filters = ("UniqueName", "DateCreatedAfter", "DateCreatedBefore")
    return page(
        call,
        "rooms",
        found,
        lambda room: room_json(room, call.base),
        filters,
        fixed=[("Status", status)],
    )
