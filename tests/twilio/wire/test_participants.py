from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.core.participants import ParticipantFilter, ParticipantStatus
from gateway.core.sids import ParticipantSid, RoomSid
from gateway.twilio.wire.participants import (
    anonymize_participant,
    disconnect_participant,
    find_participant,
    find_published_track,
    list_participants,
)
from tests.twilio.wire.documents import OPERATIONS, response

ROOM, SID = RoomSid("RM" + "0" * 32), ParticipantSid("PA" + "0" * 32)
PARTICIPANT = OPERATIONS["FetchRoomParticipant"].resource()
TRACK = OPERATIONS["FetchRoomParticipantPublishedTrack"].resource()
NAMES = ["Zoë", "a/b", "..", "a&Status=disconnected", "x#y?z", "100 %", "+"]


@pytest.mark.parametrize("identity", NAMES)
def test_find_participant_sends_the_identity_in_the_query(identity: str) -> None:
    request = find_participant(ROOM, identity)

    assert (request.method, request.path) == ("GET", f"/v1/Rooms/{ROOM}/Participants")
    assert parse_qsl(request.query) == [("Identity", identity), ("PageSize", "20")]


@pytest.mark.parametrize(
    ("participants", "is_found"),
    [
        ([{}], True),
        ([{"status": "reconnecting"}], True),
        ([{"status": "disconnected"}], False),
        ([{"status": "disconnected"}, {}], True),
        ([{"identity": "A/B"}], False),
        ([], False),
    ],
)
def test_find_participant_returns_an_exact_match_that_is_present(
    participants: list[dict[str, Any]], is_found: bool
) -> None:
    present = PARTICIPANT | {"identity": "a/b", "status": "connected"}
    document = {"participants": [present | changes for changes in participants], "meta": {}}

    assert (find_participant(ROOM, "a/b").read(response(document)) is not None) is is_found


@pytest.mark.parametrize("name", NAMES)
def test_find_published_track_does_not_send_the_name(name: str) -> None:
    request = find_published_track(ROOM, SID, name)
    document = {"published_tracks": [TRACK, TRACK | {"name": name}], "meta": {}}

    assert request.path == f"/v1/Rooms/{ROOM}/Participants/{SID}/PublishedTracks"
    assert request.query == "PageSize=1000"
    assert getattr(request.read(response(document)), "name", None) == name
    assert request.read(response({"published_tracks": [TRACK], "meta": {}})) is None


def test_list_without_a_filter_sends_no_status() -> None:
    assert list_participants(ROOM, ParticipantFilter(), 50).query == "PageSize=50"
    wanted = ParticipantFilter(statuses=(ParticipantStatus.RECONNECTING,))
    assert list_participants(ROOM, wanted, 50).query == "Status=reconnecting&PageSize=50"


def test_disconnect_and_anonymize_requests() -> None:
    path = f"/v1/Rooms/{ROOM}/Participants/{SID}"

    assert disconnect_participant(ROOM, SID).form == (("Status", "disconnected"),)
    assert (anonymize_participant(ROOM, SID).path, anonymize_participant(ROOM, SID).form) == (
        f"{path}/Anonymize",
        (),
    )
