from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.recordings import (
    ContainerFormat,
    MediaCodec,
    NewRecordingRules,
    RecordedKind,
    RecordingFilter,
    RecordingMedia,
    RecordingRule,
    RecordingStatus,
    RoomRecordingFilter,
    RuleType,
)
from gateway.core.rules import TrackKind

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "filters",
    [
        {"all": True},
        {"kind": RecordedKind.AUDIO},
        {"publisher": "Zoë"},
        {"track": "cam"},
        {"kind": RecordedKind.VIDEO, "publisher": "Zoë", "track": "cam"},
    ],
)
def test_a_rule_matches_all_tracks_or_has_filters(filters: dict[str, Any]) -> None:
    assert RecordingRule(type=RuleType.EXCLUDE, **filters).type is RuleType.EXCLUDE


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        ({}, "no filter"),
        ({"all": False}, "all is false"),
        ({"all": False, "track": "cam"}, "all is false"),
        ({"all": True, "kind": RecordedKind.AUDIO}, "give it alone"),
    ],
)
def test_a_rule_that_twilio_refuses_is_refused_with_advice(
    filters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        RecordingRule(type=RuleType.INCLUDE, **filters)


def test_a_room_sets_1_to_20_rules() -> None:
    rules = tuple(RecordingRule(type=RuleType.INCLUDE, track=f"t{n}") for n in range(21))

    assert NewRecordingRules(rules[:20]).rules == rules[:20]
    for wrong in ((), rules):
        with pytest.raises(InvalidArgument, match=f"rules has {len(wrong)} rules; give 1 to 20"):
            NewRecordingRules(wrong)


@pytest.mark.parametrize(
    ("word", "codec"),
    [("opus", MediaCodec.OPUS), ("OPUS", MediaCodec.OPUS), ("vp8", MediaCodec.VP8)],
)
def test_a_codec_is_known_in_any_case(word: str, codec: MediaCodec) -> None:
    assert MediaCodec(word) is codec


@pytest.mark.parametrize(
    "enum",
    [RecordingStatus, ContainerFormat, MediaCodec],
    ids=["RecordingStatus", "ContainerFormat", "Codec"],
)
def test_a_word_that_twilio_adds_later_is_unknown(
    enum: type[RecordingStatus | ContainerFormat | MediaCodec],
) -> None:
    assert enum("av1").name == "UNKNOWN"


def test_a_filter_may_be_empty_or_full() -> None:
    assert RecordingFilter() == RecordingFilter(grouping_sids=())
    assert RecordingFilter(
        statuses=(RecordingStatus.DELETED,),
        source_sid="MT" + "0" * 32,
        grouping_sids=("RM" + "0" * 32, "PA" + "f" * 32),
        created_after=AT,
        created_before=AT,
        media_type=TrackKind.DATA,
    ).grouping_sids


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"statuses": (RecordingStatus.UNKNOWN,)}, "statuses cannot be UNKNOWN; give PROCESSING"),
        (
            {"source_sid": "RT" + "0" * 32},
            "source_sid is not the SID of a track; give MT and 32 hex digits",
        ),
        ({"source_sid": "cam"}, "source_sid"),
        ({"created_after": AT.replace(tzinfo=None)}, "created_after has no time zone"),
        ({"created_before": AT.replace(tzinfo=None)}, "created_before has no time zone"),
    ],
)
def test_an_invalid_filter_is_refused_with_advice(
    parameters: dict[str, Any], complaint: str
) -> None:
    for make in (RoomRecordingFilter, RecordingFilter):
        with pytest.raises(InvalidArgument, match=complaint):
            make(**parameters)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"grouping_sids": ("MT" + "0" * 32,)}, r"grouping_sids\[0\] .* give RM or PA"),
        ({"grouping_sids": ("RM" + "0" * 32, "x")}, r"grouping_sids\[1\]"),
        ({"grouping_sids": ("RM" + "0" * 32,) * 21}, "grouping_sids has 21 SIDs; give up to 20"),
        ({"media_type": TrackKind.UNKNOWN}, "media_type cannot be UNKNOWN; give AUDIO"),
    ],
)
def test_an_invalid_filter_of_the_accounts_list_is_refused_with_advice(
    parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        RecordingFilter(**parameters)


def test_the_repr_of_a_media_link_does_not_show_the_url() -> None:
    assert "secret" not in repr(RecordingMedia("https://media.example.com/?secret"))
