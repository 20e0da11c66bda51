import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.insights import (
    INSIGHTS_CODECS,
    EdgeLocation,
    InsightsParticipantStatus,
    InsightsProcessingState,
    InsightsRoomFilter,
    RoomCreatedMethod,
    RoomEndReason,
)
from gateway.core.open_enum import OpenEnum
from gateway.core.recordings import MediaCodec
from gateway.core.rooms import RoomType

SCHEMAS = json.loads(
    (Path(__file__).parents[1] / "samples" / "insights_v1.video.json").read_text()
)["components"]["schemas"]


@pytest.mark.parametrize(
    ("enum", "schema"),
    [
        (RoomCreatedMethod, "video_room_summary_enum_created_method"),
        (RoomEndReason, "video_room_summary_enum_end_reason"),
        (InsightsProcessingState, "video_room_summary_enum_processing_state"),
        (EdgeLocation, "video_room_summary_enum_edge_location"),
        (InsightsParticipantStatus, "video_participant_summary_enum_room_status"),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_every_documented_word_is_known_and_others_are_unknown(
    enum: type[OpenEnum], schema: str
) -> None:
    assert {word.value for word in enum} == {*SCHEMAS[schema]["enum"], "unknown"}
    assert enum("brand-new").name == "UNKNOWN"


def test_filters_accept_the_documented_types_and_codecs() -> None:
    assert {MediaCodec(word) for word in SCHEMAS["video_room_summary_enum_codec"]["enum"]} == set(
        INSIGHTS_CODECS
    )
    assert {RoomType(word) for word in SCHEMAS["video_room_summary_enum_room_type"]["enum"]} == set(
        RoomType
    ) - {RoomType.UNKNOWN}


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        (
            {"room_types": (RoomType.GO, RoomType.UNKNOWN)},
            r"room_types\[1\] cannot be UNKNOWN",
        ),
        ({"room_types": (RoomType.GO, RoomType.GO)}, "a value twice"),
        ({"codecs": (MediaCodec.PCMU,)}, r"codecs\[0\] is a codec that Insights does not know"),
        ({"codecs": (MediaCodec.UNKNOWN,)}, r"codecs\[0\] is a codec"),
        ({"codecs": (MediaCodec.VP8, MediaCodec.VP8)}, "a value twice"),
        ({"room_name": ""}, "room_name is empty"),
        ({"created_after": datetime(2026, 1, 1)}, "created_after has no time zone"),  # noqa: DTZ001
        ({"created_before": datetime(2026, 1, 1)}, "created_before has no time zone"),  # noqa: DTZ001
    ],
)
def test_an_invalid_filter_is_refused_with_advice(
    parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        InsightsRoomFilter(**parameters)
