"""…/Participants: https://www.twilio.com/docs/video/api/participants. Does no I/O."""

from collections.abc import Iterator

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.rest.requests import RestRequest, RestResponse, dates, page, required, word
from gateway.sandbox.rest.resources import rooms
from gateway.sandbox.rest.views import anonymized_json, participant_json
from gateway.sandbox.world.model import Departure, Participant, ParticipantStatus, Room
from gateway.sandbox.world.rooms import has_status
from gateway.sandbox.world.world import World


def find(world: World, call: RestRequest, ref: str, who: str) -> tuple[Room, Participant]:
    """By SID in any state, by identity while connected."""
    room = rooms.find(world, call, ref)
    participant = room.participant(who) if rooms.is_path_name(who) else None
    if participant is None:
        raise call.missing()
    return room, participant


def read(world: World, call: RestRequest, ref: str) -> RestResponse:
    room = rooms.find(world, call, ref)
    status = word(call.query, "Status", ParticipantStatus)
    identity = call.query.first("Identity")
    is_wanted_date = dates(call.query)
    found: Iterator[Participant] = (
        each
        for each in reversed(room.participants)
        if has_status(each, status, room)
        and (identity is None or each.identity == identity)
        and is_wanted_date(each.joined.wall)
    )
    filters = ("Status", "Identity", "DateCreatedAfter", "DateCreatedBefore")
    return page(
        call, "participants", found, lambda each: participant_json(each, room, call.base), filters
    )


def fetch(world: World, call: RestRequest, ref: str, who: str) -> RestResponse:
    room, participant = find(world, call, ref, who)
    return RestResponse(200, participant_json(participant, room, call.base))


def update(world: World, call: RestRequest, ref: str, who: str) -> RestResponse:
    room, participant = find(world, call, ref, who)
    if required(call.form, "Status") != ParticipantStatus.DISCONNECTED:
        raise TwilioError(
            53209, "Participant Status is invalid: it can only be set to disconnected"
        )
    gone = world.leave(room, participant, Departure.VIA_API)
    return RestResponse(202, participant_json(gone, room, call.base))


def anonymize(world: World, call: RestRequest, ref: str, who: str) -> RestResponse:
    """In any state: no document limits it to those who have left."""
    room, participant = find(world, call, ref, who)
    return RestResponse(200, anonymized_json(world.anonymize(room, participant), room, call.base))
