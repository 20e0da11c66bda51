import pytest

from gateway.core.errors import InvalidArgument, OutcomeUnknown, UpstreamUnavailable
from gateway.core.recordings import RecordingRules
from gateway.core.sids import RoomSid
from gateway.twilio.wire.exchange import WireResponse
from gateway.twilio.wire.resource import Listed, TwilioResource, delete, room_path
from tests.twilio.wire.documents import answer

SID = RoomSid("RM" + "0" * 32)
RULES = TwilioResource(RecordingRules, "rules")
GOOD = {"room_sid": SID}


def test_a_path_begins_with_a_checked_sid() -> None:
    assert room_path(SID, "Participants") == f"/v1/Rooms/{SID}/Participants"
    with pytest.raises(
        InvalidArgument, match="the room is not the SID of a room; give RM and 32 hex digits"
    ):
        room_path(RoomSid("../Recordings"))


def test_one_of_a_page_is_chosen() -> None:
    request = RULES.find("/x", (("Name", "a/b"),), 2, lambda found: found.room_sid == SID)

    assert request.query == "Name=a%2Fb&PageSize=2"
    assert request.read(
        answer({"rules": [{"room_sid": "RM" + "1" * 32}, GOOD], "meta": {}})
    ) == RecordingRules(room_sid=SID)
    assert request.read(answer({"rules": [], "meta": {}})) is None


@pytest.mark.parametrize(
    "said", [{"rules": []}, {"meta": {}}, {"rules": {}, "meta": {}}, {"rules": None, "meta": {}}]
)
def test_a_page_without_its_list_or_meta_is_of_no_use(said: object) -> None:
    with pytest.raises(UpstreamUnavailable):
        RULES.list("/x", (), 50).read(answer(said))


def test_a_page_tells_the_next_one() -> None:
    page = RULES.list("/x", (), 50).read(
        answer({"rules": [GOOD], "meta": {"next_page_url": "https://h/x?PageToken=1"}})
    )

    assert page == Listed((RecordingRules(room_sid=SID),), "PageToken=1")


@pytest.mark.parametrize(
    ("status", "said"), [(500, {}), (503, None), (502, {"code": 20500}), (201, {}), (204, None)]
)
def test_a_create_without_a_usable_answer_may_have_been_done(status: int, said: object) -> None:
    with pytest.raises(OutcomeUnknown):
        RULES.create("/x", ()).read(answer(said, status))
    with pytest.raises(UpstreamUnavailable):
        RULES.post("/x").read(answer(said, status))


@pytest.mark.parametrize(("status", "code"), [(503, 53103), (302, None)])
def test_a_create_that_was_refused_was_not_done(status: int, code: int | None) -> None:
    with pytest.raises(UpstreamUnavailable):
        RULES.create("/x", ()).read(answer({"code": code}, status))


def test_a_delete_reads_no_body() -> None:
    assert delete("/x").read(WireResponse(204, {}, b"{")) is None
