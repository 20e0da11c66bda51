import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.rooms import RoomStatus, VideoCodec
from gateway.rooms.v1 import (
    events_pb2,
    insights_pb2,
    participant_pb2,
    quota_pb2,
    recording_pb2,
    room_pb2,
    rule_pb2,
    token_pb2,
    transcription_pb2,
)
from gateway.rpc import enums

TABLES = {name: table for name, table in vars(enums).items() if isinstance(table, enums.EnumTable)}
MODULES = (
    events_pb2,
    insights_pb2,
    participant_pb2,
    quota_pb2,
    recording_pb2,
    room_pb2,
    rule_pb2,
    token_pb2,
    transcription_pb2,
)
PB_ENUMS = {
    name: enum for module in MODULES for name, enum in module.DESCRIPTOR.enum_types_by_name.items()
}
PB_NAME = {"PROBLEM": "TokenProblem"}
"""Where the wire needs a longer word than core."""


def pb_enum(table_name: str) -> dict[str, int]:
    name = PB_NAME.get(table_name, "".join(part.title() for part in table_name.split("_")))
    return {value.name: value.number for value in PB_ENUMS[name].values}


def test_every_enum_on_the_wire_has_a_table() -> None:
    assert len(TABLES) == len(PB_ENUMS)


@pytest.mark.parametrize("name", TABLES)
def test_every_word_of_core_and_every_number_but_zero_has_its_row(name: str) -> None:
    rows = TABLES[name].rows
    words = type(next(iter(rows)))

    assert list(rows) == list(words)
    assert sorted(rows.values()) == sorted(
        number for number in pb_enum(name).values() if number != 0
    )


@pytest.mark.parametrize("name", TABLES)
def test_a_word_has_the_same_name_on_the_wire(name: str) -> None:
    numbers = pb_enum(name)
    [unspecified] = [word for word, number in numbers.items() if number == 0]
    prefix = unspecified.removesuffix("UNSPECIFIED")

    assert all(numbers[prefix + word.name] == number for word, number in TABLES[name].rows.items())


def test_unspecified_is_none_both_ways() -> None:
    assert enums.ROOM_STATUS.from_pb(0, "status") is None
    assert enums.ROOM_STATUS.to_pb(None) is None


def test_an_unknown_number_is_refused_with_the_choice() -> None:
    with pytest.raises(
        InvalidArgument,
        match=r"status holds the number 99.*give one of IN_PROGRESS, COMPLETED, FAILED$",
    ):
        enums.ROOM_STATUS.from_pb(99, "status")


def test_a_list_may_not_hold_unspecified() -> None:
    assert enums.VIDEO_CODEC.from_pb_list([1, 2], "video_codecs") == (
        VideoCodec.VP8,
        VideoCodec.H264,
    )
    with pytest.raises(InvalidArgument, match="video_codecs holds the number 0"):
        enums.VIDEO_CODEC.from_pb_list([1, 0], "video_codecs")


def test_a_word_twilio_added_later_goes_out_as_unknown() -> None:
    assert enums.ROOM_STATUS.to_pb(RoomStatus("paused")) == room_pb2.ROOM_STATUS_UNKNOWN
