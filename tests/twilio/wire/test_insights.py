from urllib.parse import parse_qsl

from gateway.core.insights import InsightsRoomFilter
from gateway.core.recordings import MediaCodec
from gateway.core.rooms import RoomStatus, RoomType
from gateway.core.sids import RoomSid
from gateway.twilio.wire.insights import fetch_insights_room, list_insights_rooms
from tests.twilio.wire.documents import INSIGHTS, OPERATIONS, response

ROOM = RoomSid("RM" + "0" * 32)


def test_filter_words_are_spelled_as_insights_does() -> None:
    types = tuple(word for word in RoomType if word is not RoomType.UNKNOWN)
    codecs = (MediaCodec.VP8, MediaCodec.H264, MediaCodec.VP9, MediaCodec.OPUS)
    sent = parse_qsl(
        list_insights_rooms(InsightsRoomFilter(room_types=types, codecs=codecs), 50).query
    )

    schemas = INSIGHTS["components"]["schemas"]
    assert {word for name, word in sent if name == "RoomType"} == set(
        schemas["video_room_summary_enum_room_type"]["enum"]
    )
    assert {word for name, word in sent if name == "Codec"} == set(
        schemas["video_room_summary_enum_codec"]["enum"]
    )


def test_words_are_read_as_those_of_video() -> None:
    document = OPERATIONS["FetchVideoRoomSummary"].resource() | {
        "room_type": "peer_to_peer",
        "room_status": "in_progress",
    }
    room = fetch_insights_room(ROOM).read(response(document))

    assert (room.room_type, room.room_status) == (RoomType.PEER_TO_PEER, RoomStatus.IN_PROGRESS)


def test_media_region_may_be_any_text() -> None:
    document = OPERATIONS["FetchVideoRoomSummary"].resource() | {"media_region": "stage_us1"}
    room = fetch_insights_room(ROOM).read(response(document))

    assert (room.media_region, room.unknown_words) == ("stage_us1", ())
