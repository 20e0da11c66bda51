"""Participants and their tracks. Does no I/O. https://www.twilio.com/docs/video/api/participants

Each is addressed by SID alone: identities and names of tracks are looked up in lists.
"""

from typing import Final

from gateway.core.limits.fairness import Priority
from gateway.core.participants import (
    Participant,
    ParticipantFilter,
    ParticipantStatus,
    PublishedTrack,
    SubscribedTrack,
)
from gateway.core.sids import ParticipantSid, RoomSid, TrackSid, checked_sid
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.resource import PAGE_SIZE_LIMIT, Listed, TwilioResource, room_path

_PARTICIPANTS: Final = TwilioResource(Participant, "participants")
_PUBLISHED: Final = TwilioResource(PublishedTrack, "published_tracks")
_SUBSCRIBED: Final = TwilioResource(SubscribedTrack, "subscribed_tracks")

_PRESENT: Final = (ParticipantStatus.CONNECTED, ParticipantStatus.RECONNECTING)


def fetch_participant(room: RoomSid, sid: ParticipantSid) -> WireRequest[Participant]:
    return _PARTICIPANTS.fetch(_participant(room, sid))


def find_participant(room: RoomSid, identity: str) -> WireRequest[Participant | None]:
    """The participant who is in the room under this very identity. Twilio lets one at a time; a second join ends the
    first one's stay."""
    return _PARTICIPANTS.find(
        room_path(room, "Participants"),
        (("Identity", identity),),
        20,
        lambda participant: participant.identity == identity and participant.status in _PRESENT,
    )


def list_participants(
    room: RoomSid, wanted: ParticipantFilter, page_size: int, page_query: str | None = None
) -> WireRequest[Listed[Participant]]:
    parameters = (
        ("Status", wanted.status),
        ("Identity", wanted.identity),
        ("DateCreatedAfter", wanted.created_after),
        ("DateCreatedBefore", wanted.created_before),
    )
    return _PARTICIPANTS.list(room_path(room, "Participants"), parameters, page_size, page_query)


def disconnect_participant(room: RoomSid, sid: ParticipantSid) -> WireRequest[Participant]:
    parameters = (("Status", ParticipantStatus.DISCONNECTED),)
    return _PARTICIPANTS.post(_participant(room, sid), parameters, Priority.END)


def anonymize_participant(room: RoomSid, sid: ParticipantSid) -> WireRequest[Participant]:
    """Makes the SID the identity of somebody who has left. The answer has no links."""
    return _PARTICIPANTS.post(_participant(room, sid, "Anonymize"))


def fetch_published_track(
    room: RoomSid, participant: ParticipantSid, sid: TrackSid
) -> WireRequest[PublishedTrack]:
    return _PUBLISHED.fetch(_track(room, participant, "PublishedTracks", sid))


def find_published_track(
    room: RoomSid, participant: ParticipantSid, name: str
) -> WireRequest[PublishedTrack | None]:
    """The track that the participant publishes under this very name. The list has no filter for it, and nobody publishes
    more than a page of tracks."""
    path = _participant(room, participant, "PublishedTracks")
    return _PUBLISHED.find(path, (), PAGE_SIZE_LIMIT, lambda track: track.name == name)


def list_published_tracks(
    room: RoomSid, participant: ParticipantSid, page_size: int, page_query: str | None = None
) -> WireRequest[Listed[PublishedTrack]]:
    """The tracks published now."""
    return _PUBLISHED.list(
        _participant(room, participant, "PublishedTracks"), (), page_size, page_query
    )


def fetch_subscribed_track(
    room: RoomSid, participant: ParticipantSid, sid: TrackSid
) -> WireRequest[SubscribedTrack]:
    return _SUBSCRIBED.fetch(_track(room, participant, "SubscribedTracks", sid))


def list_subscribed_tracks(
    room: RoomSid, participant: ParticipantSid, page_size: int, page_query: str | None = None
) -> WireRequest[Listed[SubscribedTrack]]:
    return _SUBSCRIBED.list(
        _participant(room, participant, "SubscribedTracks"), (), page_size, page_query
    )


def _participant(room: RoomSid, sid: ParticipantSid, *below: str) -> str:
    return room_path(
        room, "Participants", checked_sid(ParticipantSid, sid, "the participant"), *below
    )


def _track(room: RoomSid, participant: ParticipantSid, list_name: str, sid: TrackSid) -> str:
    return _participant(room, participant, list_name, checked_sid(TrackSid, sid, "the track"))
