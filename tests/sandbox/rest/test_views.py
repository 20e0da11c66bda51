from typing import Any

from gateway.sandbox.rest.views import participant_json, room_json
from gateway.sandbox.world import rooms
from gateway.sandbox.world.model import Departure, Room, RoomSettings
from tests.sandbox.conftest import instant

BASE = "http://127.0.0.1:1"


def room(**settings: Any) -> Room:
    created = rooms.create("AC" + "0" * 32, 1, RoomSettings(**settings), instant()).room
    return rooms.join(created, "Ada", (), instant(1)).room


def test_room_in_progress_has_no_end_time_and_no_duration() -> None:
    fields = room_json(room(), BASE)

    assert (fields["end_time"], fields["duration"], fields["date_created"]) == (
        None,
        None,
        "2026-01-02T03:04:05Z",
    )
    assert fields["unique_name"] == fields["sid"]


def test_ended_room_has_an_end_time_and_a_duration() -> None:
    fields = room_json(rooms.complete(room(), instant(60)).room, BASE)

    assert (fields["status"], fields["end_time"], fields["duration"]) == (
        "completed",
        "2026-01-02T03:05:05Z",
        60,
    )


def test_callback_url_is_echoed_with_its_fragment() -> None:
    url = "https://gw.example.com/cb#rc=5&rp=all"

    assert room_json(room(status_callback=url), BASE)["status_callback"] == url


def test_participant_who_left_has_an_end_time_and_a_duration() -> None:
    before = room()
    after = rooms.leave(before, before.participants[0], Departure.LEFT, instant(31)).room

    fields = [participant_json(state.participants[0], state, BASE) for state in (before, after)]

    assert [(item["status"], item["end_time"], item["duration"]) for item in fields] == [
        ("connected", None, None),
        ("disconnected", "2026-01-02T03:04:36Z", 30),
    ]
