"""Participants and their tracks. Does no I/O.

https://www.twilio.com/docs/video/api/participants
https://www.twilio.com/docs/video/api/publishedtrack

Paths contain SIDs and never an identity or the name of a track. Those are looked up in
lists. Every function raises InvalidArgument for a text that is not a SID of its kind.
For the paging of lists see `TwilioResource.list`.
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
from gateway.twilio.wire.exchange import WireRequest, single_status
from gateway.twilio.wire.reading import JsonObject
from gateway.twilio.wire.resource import PAGE_SIZE_LIMIT, TwilioResource, WirePage, room_path

_PARTICIPANTS: Final = TwilioResource(Participant, "participants")


def _with_muted(document: JsonObject) -> JsonObject:
    """Adds `muted`, which is the opposite of Twilio's `enabled`."""
    enabled = document.get("enabled")
    return {**document, "muted": not enabled if isinstance(enabled, bool) else enabled}


_PUBLISHED: Final = TwilioResource(PublishedTrack, "published_tracks", adapt=_with_muted)
_SUBSCRIBED: Final = TwilioResource(SubscribedTrack, "subscribed_tracks", adapt=_with_muted)

_PRESENT: Final = (ParticipantStatus.CONNECTED, ParticipantStatus.RECONNECTING)


def fetch_participant(room: RoomSid, sid: ParticipantSid) -> WireRequest[Participant]:
    """Returns the request for a participant in any state. `read` raises NotFound."""
    return _PARTICIPANTS.fetch(_participant_path(room, sid))


def find_participant(room: RoomSid, identity: str) -> WireRequest[Participant | None]:
    """Returns a request for the participant in the room that has exactly this identity.

    At most one participant at a time has an identity: another one that joins with it
    disconnects the first (error 53205).
    """
    return _PARTICIPANTS.find(
        room_path(room, "Participants"),
        (("Identity", identity),),
        20,
        lambda participant: participant.identity == identity and participant.status in _PRESENT,
    )


def list_participants(
    room: RoomSid, wanted: ParticipantFilter, page_size: int, page_query: str | None = None
) -> WireRequest[WirePage[Participant]]:
    """Returns the request for a page of the room's participants that match the filter.

    Without a status Twilio lists the connected participants of a room in progress, and
    all participants of a room that ended.
    """
    parameters = (
        ("Status", single_status(wanted.statuses)),
        ("Identity", wanted.identity),
        ("DateCreatedAfter", wanted.created_after),
        ("DateCreatedBefore", wanted.created_before),
    )
    return _PARTICIPANTS.list(room_path(room, "Participants"), parameters, page_size, page_query)


def disconnect_participant(room: RoomSid, sid: ParticipantSid) -> WireRequest[Participant]:
    """Returns the request that removes a participant from its room.

    It may be repeated. `read` raises FailedPrecondition if the participant is not
    connected any more (error 53209), and NotFound.
    """
    parameters = (("Status", ParticipantStatus.DISCONNECTED),)
    return _PARTICIPANTS.post(_participant_path(room, sid), parameters, Priority.END)


def anonymize_participant(room: RoomSid, sid: ParticipantSid) -> WireRequest[Participant]:
    """Returns the request that replaces the identity of a past participant by its SID.

    It may be repeated. The returned participant has no links.
    """
    return _PARTICIPANTS.post(_participant_path(room, sid, "Anonymize"))


def fetch_published_track(
    room: RoomSid, participant: ParticipantSid, sid: TrackSid
) -> WireRequest[PublishedTrack]:
    """Returns the request for a track that is published now. `read` raises NotFound."""
    return _PUBLISHED.fetch(_track_path(room, participant, "PublishedTracks", sid))


def find_published_track(
    room: RoomSid, participant: ParticipantSid, name: str
) -> WireRequest[PublishedTrack | None]:
    """Returns a request for the participant's published track that has exactly this
    name.

    Twilio cannot filter by name. One page has all tracks that a participant can
    publish.
    """
    path = _participant_path(room, participant, "PublishedTracks")
    return _PUBLISHED.find(path, (), PAGE_SIZE_LIMIT, lambda track: track.name == name)


def list_published_tracks(
    room: RoomSid, participant: ParticipantSid, page_size: int, page_query: str | None = None
) -> WireRequest[WirePage[PublishedTrack]]:
    """Returns the request for a page of the tracks the participant publishes now."""
    path = _participant_path(room, participant, "PublishedTracks")
    return _PUBLISHED.list(path, (), page_size, page_query)


def fetch_subscribed_track(
    room: RoomSid, participant: ParticipantSid, sid: TrackSid
) -> WireRequest[SubscribedTrack]:
    """Returns the request for a track that the participant receives.

    `read` raises NotFound.
    """
    return _SUBSCRIBED.fetch(_track_path(room, participant, "SubscribedTracks", sid))


def list_subscribed_tracks(
    room: RoomSid, participant: ParticipantSid, page_size: int, page_query: str | None = None
) -> WireRequest[WirePage[SubscribedTrack]]:
    """Returns the request for a page of the tracks that the participant receives."""
    path = _participant_path(room, participant, "SubscribedTracks")
    return _SUBSCRIBED.list(path, (), page_size, page_query)


def _participant_path(room: RoomSid, sid: ParticipantSid, *segments: str) -> str:
    checked = checked_sid(ParticipantSid, sid, "participant")
    return room_path(room, "Participants", checked, *segments)


def _track_path(room: RoomSid, participant: ParticipantSid, list_name: str, sid: TrackSid) -> str:
    return _participant_path(room, participant, list_name, checked_sid(TrackSid, sid, "track"))
