from typing import Any

from gateway.sandbox.rest.views import participant_json, room_json
from gateway.sandbox.world import rooms
from gateway.sandbox.world.model import Departure, Room, RoomSettings
from tests.sandbox.conftest import moment

BASE = "http://127.0.0.1:1"


def room(**settings: Any) -> Room:
    created = rooms.create("AC" + "0" * 32, 1, RoomSettings(**settings), moment()).room
    return rooms.join(created, "Ada", (), moment(1)).room


def test_a_room_in_progress_has_no_end_and_no_duration() -> None:
    shown = room_json(room(), BASE)

    assert (shown["end_time"], shown["duration"], shown["date_created"]) == (
        None,
        None,
        "2026-01-02T03:04:05Z",
    )
    assert shown["unique_name"] == shown["sid"]


def test_an_ended_room_has_both() -> None:
    shown = room_json(rooms.complete(room(), moment(60)).room, BASE)

    assert (shown["status"], shown["end_time"], shown["duration"]) == (
        "completed",
        "2026-01-02T03:05:05Z",
        60,
    )


def test_the_callback_is_echoed_with_its_fragment() -> None:
    url = "https://gw.example.com/cb#rc=5&rp=all"

    assert room_json(room(status_callback=url), BASE)["status_callback"] == url


def test_a_participant_who_left_has_an_end_and_a_duration() -> None:
    here = room()
    left = rooms.leave(here, here.participants[0], Departure.LEFT, moment(31)).room

    shown = [participant_json(each.participants[0], each, BASE) for each in (here, left)]

    assert [(each["status"], each["end_time"], each["duration"]) for each in shown] == [
        ("connected", None, None),
        ("disconnected", "2026-01-02T03:04:36Z", 30),
    ]
