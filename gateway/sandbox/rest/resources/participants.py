"""The resource …/Participants. Does no I/O.

https://www.twilio.com/docs/video/api/participants
"""

from collections.abc import Iterator

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.rest.requests import (
    RestRequest,
    RestResponse,
    date_filter,
    enum_value,
    page,
    required,
)
from gateway.sandbox.rest.resources import rooms
from gateway.sandbox.rest.views import anonymized_json, participant_json
from gateway.sandbox.world.model import Departure, Participant, ParticipantStatus, Room
from gateway.sandbox.world.rooms import has_status
from gateway.sandbox.world.world import World


def find(
    world: World, request: RestRequest, room_ref: str, participant_ref: str
) -> tuple[Room, Participant]:
    """Finds a participant by SID, or by identity while connected."""
    room = rooms.find(world, request, room_ref)
    participant = room.participant(participant_ref) if rooms.is_path_name(participant_ref) else None
    if participant is None:
        raise request.not_found()
    return room, participant


def read(world: World, request: RestRequest, room_ref: str) -> RestResponse:
    room = rooms.find(world, request, room_ref)
    status = enum_value(request.query, "Status", ParticipantStatus)
    identity = request.query.first("Identity")
    is_in_range = date_filter(request.query)
    matching: Iterator[Participant] = (
        participant
        for participant in reversed(room.participants)
        if has_status(participant, status, room)
        and (identity is None or participant.identity == identity)
        and is_in_range(participant.joined.wall)
    )
    filters = ("Status", "Identity", "DateCreatedAfter", "DateCreatedBefore")
    return page(
        request,
        "participants",
        matching,
        lambda participant: participant_json(participant, room, request.base_url),
        filters,
    )


def fetch(world: World, request: RestRequest, room_ref: str, participant_ref: str) -> RestResponse:
    room, participant = find(world, request, room_ref, participant_ref)
    return RestResponse(200, participant_json(participant, room, request.base_url))


def update(world: World, request: RestRequest, room_ref: str, participant_ref: str) -> RestResponse:
    """Disconnects a participant. One who has left is returned unchanged.

    Twilio documents 53209 for a wrong Status only: disconnected is a right one.
    """
    room, participant = find(world, request, room_ref, participant_ref)
    if required(request.form, "Status") != ParticipantStatus.DISCONNECTED:
        raise TwilioError(
            53209, "Participant Status is invalid: it can only be set to disconnected"
        )
    participant = world.leave(room, participant, Departure.VIA_API)
    return RestResponse(202, participant_json(participant, room, request.base_url))


def anonymize(
    world: World, request: RestRequest, room_ref: str, participant_ref: str
) -> RestResponse:
    """Anonymizes a participant in any state.

    Twilio's documents do not limit it to participants who have left.
    """
    room, participant = find(world, request, room_ref, participant_ref)
    participant = world.anonymize(room, participant)
    return RestResponse(200, anonymized_json(participant, room, request.base_url))
