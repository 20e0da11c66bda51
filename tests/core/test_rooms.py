from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidArgument
from gateway.core.recordings import RecordingRule, RuleType
from gateway.core.rooms import (
    MAX_PARTICIPANTS,
    AccountSid,
    Ended,
    NewRoom,
    Room,
    RoomFilter,
    RoomRef,
    RoomSid,
    RoomStatus,
    RoomType,
    VideoCodec,
    checked_name,
    is_room_sid,
    merge_end,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SID = RoomSid("RM00112233445566778899aabbccddeeff")
ROOM = Room(
    sid=SID,
    account_sid=AccountSid("AC0123456789abcdef0123456789abcdef"),
    status=RoomStatus.IN_PROGRESS,
    type=RoomType.GROUP,
    max_participants=50,
    max_participant_duration=14400,
    empty_room_timeout=5,
    unused_room_timeout=5,
)
ENDED = Ended(RoomStatus.COMPLETED, AT, 60)


@pytest.mark.parametrize("enum", [RoomStatus, RoomType, VideoCodec])
@pytest.mark.parametrize("word", ["", "brand-new", "IN-PROGRESS", None])
def test_a_word_that_twilio_adds_later_is_unknown(
    enum: type[RoomStatus | RoomType | VideoCodec], word: Any
) -> None:
    assert enum(word).name == "UNKNOWN"


@pytest.mark.parametrize("text", [SID, SID.upper(), "RM" + "aA0" * 10 + "ff"])
def test_rm_and_32_hex_digits_are_the_sid_of_a_room(text: str) -> None:
    assert is_room_sid("RM" + text[2:])


@pytest.mark.parametrize(
    "text", ["", "RM", SID[:-1], SID + "0", SID.lower(), f"{SID}\n", f" {SID}", "RM" + "g" * 32]
)
def test_other_text_is_not_the_sid_of_a_room(text: str) -> None:
    assert not is_room_sid(text)


def test_a_text_in_the_form_of_a_sid_is_a_sid() -> None:
    assert RoomRef.of(SID) == RoomRef(SID, None)


@pytest.mark.parametrize(
    "name", ["Daily", "a/b", "..", ".", "Zoë 🎉", " ", "x" * 128, SID[:-1], "%2F", "a?b#c"]
)
def test_any_printable_text_of_up_to_128_characters_is_a_name(name: str) -> None:
    assert RoomRef.of(name) == RoomRef(None, name)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "empty"),
        ("x" * 129, "129 characters"),
        ("a\nb", "control character"),
        ("\x00", "control character"),
        ("\x7f", "control character"),
        ("\x85", "control character"),
        ("\u2028", "control character"),
        ("\ud800", "control character"),
    ],
)
def test_text_that_cannot_be_a_name_is_refused_with_advice(name: str, complaint: str) -> None:
    for check in (
        RoomRef.of,
        lambda text: checked_name(text, "room"),
        lambda text: NewRoom(unique_name=text),
    ):
        with pytest.raises(InvalidArgument, match=complaint):
            check(name)


@given(st.text())
def test_a_ref_is_a_sid_or_a_name_or_refused(text: str) -> None:
    try:
        ref = RoomRef.of(text)
    except InvalidArgument:
        return
    assert (ref.sid is None) is not (ref.name is None)


def test_a_room_with_a_tombstone_is_shown_as_ended() -> None:
    room = merge_end(ROOM, ENDED)

    assert room == replace(ROOM, status=RoomStatus.COMPLETED, end_time=AT, duration=60)


def test_a_room_of_unknown_status_with_a_tombstone_is_shown_as_ended() -> None:
    room = merge_end(replace(ROOM, status=RoomStatus.UNKNOWN), ENDED)

    assert room.status is RoomStatus.COMPLETED


@pytest.mark.parametrize("status", RoomStatus)
def test_a_status_is_final_once_the_room_has_ended(status: RoomStatus) -> None:
    assert status.is_final is (status in (RoomStatus.COMPLETED, RoomStatus.FAILED))


@pytest.mark.parametrize("status", [RoomStatus.COMPLETED, RoomStatus.FAILED])
def test_an_end_that_twilio_shows_is_not_replaced_by_the_tombstone(status: RoomStatus) -> None:
    room = replace(ROOM, status=status, duration=59)

    assert merge_end(room, ENDED) is room


def test_a_room_without_a_tombstone_is_unchanged() -> None:
    assert merge_end(ROOM, None) is ROOM


def test_every_parameter_of_a_new_room_is_optional() -> None:
    assert NewRoom() == NewRoom(unique_name=None)


@pytest.mark.parametrize(
    "bounds",
    [
        ("max_participants", 1, 50),
        ("max_participant_duration", 600, 86400),
        ("empty_room_timeout", 1, 60),
        ("unused_room_timeout", 1, 60),
    ],
    ids=lambda bounds: bounds[0],
)
def test_a_number_in_range_is_accepted_and_one_out_of_range_is_refused(
    bounds: tuple[str, int, int],
) -> None:
    name, low, high = bounds
    for value in (low, high):
        assert getattr(new_room(**{name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(
            InvalidArgument, match=f"is {value}; give a whole number from {low} to {high}"
        ):
            new_room(**{name: value})


def new_room(**parameters: Any) -> NewRoom:
    return NewRoom(**parameters)


@pytest.mark.parametrize("room_type", MAX_PARTICIPANTS)
def test_each_type_has_its_own_maximum_of_participants(room_type: RoomType) -> None:
    most = MAX_PARTICIPANTS[room_type]

    assert NewRoom(type=room_type, max_participants=most).max_participants == most
    with pytest.raises(InvalidArgument, match=f"for a {room_type} room"):
        NewRoom(type=room_type, max_participants=most + 1)


def test_every_known_type_has_a_maximum_of_participants() -> None:
    assert set(MAX_PARTICIPANTS) == set(RoomType) - {RoomType.UNKNOWN}


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"unique_name": SID}, "form of a SID"),
        ({"type": RoomType.UNKNOWN}, "type cannot be UNKNOWN"),
        (
            {"video_codecs": (VideoCodec.VP8, VideoCodec.UNKNOWN)},
            r"video_codecs\[1\] cannot be",
        ),
        ({"recording_rules": ()}, "recording_rules has 0 rules"),
        (
            {"recording_rules": (RecordingRule(type=RuleType.INCLUDE, all=True),) * 21},
            "recording_rules has 21 rules",
        ),
        *(
            (
                {"type": room_type, **parameter},
                rf"^{next(iter(parameter))} is not possible in a {room_type} room",
            )
            for room_type in (RoomType.PEER_TO_PEER, RoomType.GO)
            for parameter in (
                {"recording_rules": (RecordingRule(type=RuleType.INCLUDE, all=True),)},
                {"record_participants_on_connect": True},
                {"audio_only": True},
            )
        ),
        ({"type": RoomType.PEER_TO_PEER, "video_codecs": (VideoCodec.VP8,)}, "^video_codecs is"),
        ({"type": RoomType.GROUP_SMALL, "audio_only": True}, "^audio_only is not possible"),
        ({"media_region": ""}, "media_region"),
        ({"media_region": "us1\n"}, "media_region"),
        ({"media_region": "US1"}, "media_region"),
        ({"media_region": "../x"}, "media_region"),
    ],
)
def test_parameters_that_twilio_would_refuse_are_refused_with_advice(
    parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        new_room(**parameters)


def test_a_list_contains_rooms_in_progress_by_default() -> None:
    assert RoomFilter() == RoomFilter(statuses=())
    assert RoomFilter().statuses == (RoomStatus.IN_PROGRESS,)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"statuses": (RoomStatus.UNKNOWN,)}, "statuses cannot be UNKNOWN"),
        ({"unique_name": ""}, "unique_name is empty"),
        ({"unique_name": "a\nb"}, "unique_name"),
        ({"created_after": AT.replace(tzinfo=None)}, "created_after has no time zone"),
        ({"created_before": AT.replace(tzinfo=None)}, "created_before has no time zone"),
    ],
)
def test_an_invalid_filter_is_refused_with_advice(
    parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        RoomFilter(**parameters)
