from urllib.parse import parse_qsl

from gateway.core.insights import InsightsRoomFilter
from gateway.core.recordings import Codec
from gateway.core.rooms import RoomStatus, RoomType
from gateway.core.sids import RoomSid
from gateway.twilio.wire.insights import fetch_insights_room, list_insights_rooms
from tests.twilio.wire.documents import INSIGHTS, OPERATIONS, answer

ROOM = RoomSid("RM" + "0" * 32)


def test_words_are_sent_as_insights_spells_them() -> None:
    types = tuple(known for known in RoomType if known is not RoomType.UNKNOWN)
    codecs = (Codec.VP8, Codec.H264, Codec.VP9, Codec.OPUS)
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


def test_words_that_video_has_too_are_read_as_videos() -> None:
    said = OPERATIONS["FetchVideoRoomSummary"].resource() | {
        "room_type": "peer_to_peer",
        "room_status": "in_progress",
    }
    room = fetch_insights_room(ROOM).read(answer(said))

    assert (room.room_type, room.room_status) == (RoomType.PEER_TO_PEER, RoomStatus.IN_PROGRESS)


def test_a_region_may_be_any_word() -> None:
    said = OPERATIONS["FetchVideoRoomSummary"].resource() | {"media_region": "stage_us1"}
    room = fetch_insights_room(ROOM).read(answer(said))

    assert (room.media_region, room.unknown_words) == ("stage_us1", ())
