"""From input types to core values."""

from dataclasses import fields

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.recordings import RecordedKind, RecordingRule, RuleType
from gateway.core.rooms import NewRoom, RoomType, VideoCodec
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.gql.inputs import CreateRoomInput, RecordingRuleInput, TranscriptionsConfigurationInput, new_room


@pytest.mark.parametrize(
    ("given", "core"),
    [
        (CreateRoomInput, NewRoom),
        (RecordingRuleInput, RecordingRule),
        (TranscriptionsConfigurationInput, TranscriptionsConfiguration),
    ],
)
def test_every_parameter_can_be_given(given: type, core: type) -> None:
    assert [field.name for field in fields(given)] == [field.name for field in fields(core)]


def test_what_is_given_becomes_a_core_value() -> None:
    given = CreateRoomInput(
        unique_name="standup",
        type=RoomType.GROUP,
        video_codecs=[VideoCodec.VP8],
        recording_rules=[RecordingRuleInput(type=RuleType.INCLUDE, kind=RecordedKind.AUDIO)],
        transcriptions_configuration=TranscriptionsConfigurationInput(hints=["gateway"]),
        max_participants=None,
    )
    assert new_room(given) == NewRoom(
        unique_name="standup",
        type=RoomType.GROUP,
        video_codecs=(VideoCodec.VP8,),
        recording_rules=(RecordingRule(type=RuleType.INCLUDE, kind=RecordedKind.AUDIO),),
        transcriptions_configuration=TranscriptionsConfiguration(hints=("gateway",)),
    )


def test_what_is_out_of_bounds_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        new_room(CreateRoomInput(max_participants=51))
