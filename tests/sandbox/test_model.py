import re
from dataclasses import replace

from gateway.sandbox.model import Participant, ParticipantStatus, Room, RoomSettings, new_sid
from tests.sandbox.conftest import moment

ADA = Participant("PA1", 0, "Ada", moment(), moment().wall)


def room(*participants: Participant) -> Room:
    return Room("RM1", "AC1", 1, RoomSettings(), moment(), moment().wall, None, participants=participants)


def test_a_sid_has_twilios_form_and_never_repeats() -> None:
    sids = {new_sid("RM") for _ in range(100)}

    assert len(sids) == 100
    assert all(re.fullmatch(r"RM[0-9a-f]{32}", sid) for sid in sids)


def test_a_room_without_a_name_is_called_by_its_sid() -> None:
    assert room().name == "RM1"


def test_an_identity_finds_only_who_is_connected_and_a_sid_finds_everybody() -> None:
    gone = replace(ADA, left_at=moment(5).wall)

    assert room(ADA).participant("Ada") == ADA
    assert room(gone).participant("Ada") is None
    assert room(gone).participant("PA1") == gone


def test_a_duration_is_known_only_after_the_end() -> None:
    gone = replace(ADA, left_at=moment(61.9).wall)

    assert (ADA.status, ADA.duration_s) == (ParticipantStatus.CONNECTED, None)
    assert (gone.status, gone.duration_s) == (ParticipantStatus.DISCONNECTED, 61)
    assert replace(room(), ended_at=moment(300).wall).duration_s == 300
