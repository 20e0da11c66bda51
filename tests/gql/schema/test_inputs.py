"""Input types and core values."""

from dataclasses import fields

import pytest
from strawberry import UNSET

from gateway.core.errors import InvalidArgument
from gateway.core.participants import NewSubscribeRules, SubscribeRule, TrackKind
from gateway.core.recordings import RecordedKind, RecordingRule, RuleType
from gateway.core.rooms import NewRoom, RoomFilter, RoomType, VideoCodec
from gateway.core.rules import TrackPriority
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.gql.schema.input_enums import (
    RecordedKindInput,
    RoomTypeInput,
    TrackKindInput,
    TrackPriorityInput,
    VideoCodecInput,
)
from gateway.gql.schema.inputs import (
    OWN_FIELDS,
    CreateRoomInput,
    EnsureRoomInput,
    TranscriptionsConfigurationInput,
    build_core,
    optional,
    page_arguments,
    to_core,
)
from gateway.gql.schema.rules import (
    RecordingRuleInput,
    RecordingRuleMatch,
    SubscribeRuleInput,
    SubscribeRuleMatch,
)


@pytest.mark.parametrize(
    ("input_", "value"),
    [
        (CreateRoomInput, NewRoom),
        (EnsureRoomInput, NewRoom),
        (TranscriptionsConfigurationInput, TranscriptionsConfiguration),
    ],
)
def test_every_input_has_the_fields_of_its_core_type(input_: type, value: type) -> None:
    names = [field.name for field in fields(input_) if field.name not in OWN_FIELDS]
    assert names == [field.name for field in fields(value)]


def test_an_input_becomes_a_core_value() -> None:
    new_room = CreateRoomInput(
        unique_name="standup",
        type=RoomTypeInput.GROUP,
        video_codecs=[VideoCodecInput.VP8],
        recording_rules=[
            RecordingRuleInput(include=RecordingRuleMatch(kind=RecordedKindInput.AUDIO))
        ],
        transcriptions_configuration=TranscriptionsConfigurationInput(hints=["gateway"]),
        max_participants=None,
    )
    assert to_core(new_room) == NewRoom(
        unique_name="standup",
        type=RoomType.GROUP,
        video_codecs=(VideoCodec.VP8,),
        recording_rules=(RecordingRule(type=RuleType.INCLUDE, kind=RecordedKind.AUDIO),),
        transcriptions_configuration=TranscriptionsConfiguration(hints=("gateway",)),
    )


def test_a_value_out_of_bounds_is_rejected() -> None:
    with pytest.raises(InvalidArgument):
        to_core(CreateRoomInput(max_participants=51))


def test_unset_and_null_mean_the_default_of_twilio() -> None:
    assert build_core(RoomFilter, unique_name=None, created_after=UNSET) == RoomFilter()
    assert (optional(UNSET), optional(None), optional("x")) == (None, None, "x")


def test_a_list_of_inputs_becomes_a_tuple_of_core_values() -> None:
    rule = SubscribeRuleInput(
        include=SubscribeRuleMatch(kind=TrackKindInput.DATA, priority=TrackPriorityInput.LOW)
    )
    assert build_core(NewSubscribeRules, rules=[rule]) == NewSubscribeRules(
        (SubscribeRule(type=RuleType.INCLUDE, kind=TrackKind.DATA, priority=TrackPriority.LOW),)
    )


def test_page_arguments_rejects_a_size_out_of_bounds() -> None:
    assert page_arguments(1, UNSET) == (1, None)
    assert page_arguments(None, UNSET) == (50, None)
    assert page_arguments(100, "p") == (100, "p")
    for first in (0, 101):
        with pytest.raises(InvalidArgument):
            page_arguments(first, None)
