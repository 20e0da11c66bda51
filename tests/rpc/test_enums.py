from enum import Enum
from typing import Any

import pytest
from google.protobuf.descriptor_pool import Default

from gateway.core.errors import InvalidArgument
from gateway.core.rooms import RoomStatus, VideoCodec
from gateway.rpc import enums
from gateway.rpc.v1 import (
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


def pb_enum(table_name: str) -> dict[str, int]:
    name = "".join(part.title() for part in table_name.split("_"))
    return {value.name: value.number for value in PB_ENUMS[name].values}


def test_every_protobuf_enum_has_a_table() -> None:
    assert len(TABLES) == len(PB_ENUMS)


@pytest.mark.parametrize("name", TABLES)
def test_table_has_every_core_member_and_every_number_but_zero(name: str) -> None:
    numbers = TABLES[name].numbers
    core_enum: type[Enum] = type(next(iter(numbers)))

    assert list(numbers) == list(core_enum)
    assert sorted(numbers.values()) == sorted(
        number for number in pb_enum(name).values() if number != 0
    )


@pytest.mark.parametrize("name", TABLES)
def test_members_have_the_same_name_on_both_sides(name: str) -> None:
    by_name = pb_enum(name)
    [unspecified] = [name for name, number in by_name.items() if number == 0]
    prefix = unspecified.removesuffix("UNSPECIFIED")

    for member, number in TABLES[name].numbers.items():
        assert by_name[prefix + member.name] == number
        assert TABLES[name].names[member] == prefix + member.name


def test_unspecified_is_none_in_core() -> None:
    assert enums.ROOM_STATUS.from_pb(0, ("status",)) is None
    assert enums.ROOM_STATUS.to_pb(None) is None


def test_unknown_number_is_rejected_with_the_choices() -> None:
    with pytest.raises(
        InvalidArgument,
        match=r"status is 99: set it to one of "
        "ROOM_STATUS_IN_PROGRESS, ROOM_STATUS_COMPLETED, ROOM_STATUS_FAILED$",
    ):
        enums.ROOM_STATUS.from_pb(99, ("status",))


def test_unspecified_in_a_list_is_rejected() -> None:
    assert enums.VIDEO_CODEC.from_pb_list([1, 2], ("video_codecs",)) == (
        VideoCodec.VP8,
        VideoCodec.H264,
    )
    with pytest.raises(
        InvalidArgument,
        match=r"video_codecs\[1\] is 0: set it to one of VIDEO_CODEC_VP8, VIDEO_CODEC_H264",
    ):
        enums.VIDEO_CODEC.from_pb_list([1, 0], ("video_codecs",))


@pytest.mark.parametrize("name", enums.NARROW_TABLES)
def test_a_narrow_table_has_some_of_the_words_of_its_field(name: str) -> None:
    message, _, field = name.rpartition(".")
    descriptor: Any = Default().FindMessageTypeByName(message).fields_by_name[field]
    table = enums.table_of(descriptor)
    wide = enums.TABLES[descriptor.enum_type.full_name]

    assert table is enums.NARROW_TABLES[name]
    assert {(member.name, number) for member, number in table.numbers.items()} < {
        (member.name, number) for member, number in wide.numbers.items()
    }


def test_a_value_that_twilio_added_later_is_unknown() -> None:
    assert enums.ROOM_STATUS.to_pb(RoomStatus("paused")) == room_pb2.ROOM_STATUS_UNKNOWN
