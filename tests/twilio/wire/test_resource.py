import pytest

from gateway.core.errors import InvalidArgument, OutcomeUnknown, UpstreamUnavailable
from gateway.core.recordings import RecordingRules
from gateway.core.sids import RoomSid
from gateway.twilio.wire.exchange import WireResponse
from gateway.twilio.wire.resource import TwilioResource, WirePage, delete, room_path
from tests.twilio.wire.documents import response

SID = RoomSid("RM" + "0" * 32)
RULES = TwilioResource(RecordingRules, "rules")
GOOD = {"room_sid": SID}


def test_room_path_checks_the_sid() -> None:
    assert room_path(SID, "Participants") == f"/v1/Rooms/{SID}/Participants"
    with pytest.raises(
        InvalidArgument, match="room is not the SID of a room; give RM and 32 hex digits"
    ):
        room_path(RoomSid("../Recordings"))


def test_find_returns_the_first_match_of_a_page() -> None:
    request = RULES.find("/x", (("Name", "a/b"),), 2, lambda found: found.room_sid == SID)

    assert request.query == "Name=a%2Fb&PageSize=2"
    assert request.read(
        response({"rules": [{"room_sid": "RM" + "1" * 32}, GOOD], "meta": {}})
    ) == RecordingRules(room_sid=SID)
    assert request.read(response({"rules": [], "meta": {}})) is None


@pytest.mark.parametrize(
    "document",
    [{"rules": []}, {"meta": {}}, {"rules": {}, "meta": {}}, {"rules": None, "meta": {}}],
)
def test_page_without_its_list_or_meta_is_upstream_unavailable(document: object) -> None:
    with pytest.raises(UpstreamUnavailable):
        RULES.list("/x", (), 50).read(response(document))


def test_page_has_the_query_of_the_next_one() -> None:
    page = RULES.list("/x", (), 50).read(
        response({"rules": [GOOD], "meta": {"next_page_url": "https://h/x?PageToken=1"}})
    )

    assert page == WirePage((RecordingRules(room_sid=SID),), "PageToken=1")


@pytest.mark.parametrize(
    ("status", "document"), [(500, {}), (503, None), (502, {"code": 20500}), (201, {}), (204, None)]
)
def test_create_without_a_usable_response_is_outcome_unknown(status: int, document: object) -> None:
    with pytest.raises(OutcomeUnknown):
        RULES.create("/x", ()).read(response(document, status))
    with pytest.raises(UpstreamUnavailable):
        RULES.post("/x").read(response(document, status))


@pytest.mark.parametrize(("status", "code"), [(503, 53103), (302, None)])
def test_refused_create_is_not_outcome_unknown(status: int, code: int | None) -> None:
    with pytest.raises(UpstreamUnavailable):
        RULES.create("/x", ()).read(response({"code": code}, status))


def test_delete_ignores_its_body() -> None:
    assert delete("/x").read(WireResponse(204, {}, b"{")) is None
