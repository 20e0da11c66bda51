import pytest
from google.protobuf.descriptor_pool import Default
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from gateway.core.errors import InvalidArgument
from gateway.rooms.v1 import events_pb2, insights_pb2, room_pb2
from gateway.rooms.v1 import insights_service_pb2 as insights
from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rpc.masks import PATHS_LIMIT, MaskTree, parse_mask, prune
from gateway.rpc.server import SERVICE_NAMES

GET = "/gateway.rooms.v1.RoomService/GetRoom"
METHODS = [method for name in SERVICE_NAMES for method in Default().FindServiceByName(name).methods]
READS = [method for method in METHODS if method.name.startswith(("Get", "BatchGet", "List"))]


def tree(*paths: str) -> MaskTree:
    return parse_mask(GET, pb.GetRoomRequest(read_mask=FieldMask(paths=paths)))


def pruned(response: Message, mask: MaskTree) -> Message:
    prune(response, mask)
    return response


@pytest.mark.parametrize("method", READS, ids=lambda method: method.name)
def test_every_read_takes_a_mask_over_what_its_answer_holds_first(method: object) -> None:
    request, response = method.input_type, method.output_type  # type: ignore[attr-defined]

    assert request.fields_by_name["read_mask"].message_type.full_name == "google.protobuf.FieldMask"
    assert response.fields_by_number[1].message_type.fields


def test_no_write_takes_a_mask() -> None:
    assert [
        method
        for method in METHODS
        if method not in READS and "read_mask" in method.input_type.fields_by_name
    ] == []


@pytest.mark.parametrize("paths", [(), ("*",)])
def test_no_mask_and_a_star_stand_for_everything(paths: tuple[str, ...]) -> None:
    room = room_pb2.Room(sid="RM1", freshness=room_pb2.Freshness(is_stale=True))

    assert pruned(pb.GetRoomResponse(room=room), tree(*paths)) == pb.GetRoomResponse(room=room)


def test_requests_of_others_have_no_mask() -> None:
    assert parse_mask("/tests.Service/GetLength", StringValue(value="x")) == {}


def test_what_the_mask_does_not_hold_is_cleared() -> None:
    links = room_pb2.RoomLinks(participants="p", recordings="r")
    codecs = [room_pb2.VIDEO_CODEC_VP8]
    room = room_pb2.Room(
        sid="RM1", unique_name="daily", duration=0, links=links, video_codecs=codecs
    )

    answer = pruned(pb.GetRoomResponse(room=room), tree("sid", "links.recordings", "video_codecs"))

    kept = room_pb2.Room(sid="RM1", links=room_pb2.RoomLinks(recordings="r"), video_codecs=codecs)
    assert answer == pb.GetRoomResponse(room=kept)


def test_every_resource_of_a_list_is_pruned_and_the_token_kept() -> None:
    rooms = [room_pb2.Room(sid=f"RM{n}", unique_name="daily") for n in range(3)]

    answer = pruned(pb.ListRoomsResponse(rooms=rooms, next_page_token="token"), tree("sid"))

    kept = [room_pb2.Room(sid=f"RM{n}") for n in range(3)]
    assert answer == pb.ListRoomsResponse(rooms=kept, next_page_token="token")


def test_a_part_that_is_not_there_stays_away() -> None:
    answer = pruned(
        pb.GetRoomResponse(room=room_pb2.Room(sid="RM1")), tree("links.recordings", "freshness")
    )

    assert answer == pb.GetRoomResponse(room=room_pb2.Room())
    assert pruned(pb.GetRoomResponse(), tree("sid")) == pb.GetRoomResponse()


@pytest.mark.parametrize("paths", [("links", "links.recordings"), ("links.recordings", "links")])
def test_the_wider_of_two_paths_wins(paths: tuple[str, ...]) -> None:
    links = room_pb2.RoomLinks(participants="p", recordings="r")

    answer = pruned(pb.GetRoomResponse(room=room_pb2.Room(links=links)), tree(*paths))

    assert answer == pb.GetRoomResponse(room=room_pb2.Room(links=links))


def test_a_path_may_go_deep() -> None:
    request = pb.ListRoomEventsRequest(
        read_mask=FieldMask(paths=["cursor", "event.room.links.recordings"])
    )
    room = room_pb2.Room(sid="RM1", links=room_pb2.RoomLinks(participants="p", recordings="r"))
    event = events_pb2.LoggedEvent(
        cursor="c", event=events_pb2.RoomEvent(room_sid="RM1", room=room)
    )

    mask = parse_mask("/gateway.rooms.v1.RoomService/ListRoomEvents", request)
    answer = pruned(pb.ListRoomEventsResponse(events=[event]), mask)

    kept = room_pb2.Room(links=room_pb2.RoomLinks(recordings="r"))
    wanted = events_pb2.LoggedEvent(cursor="c", event=events_pb2.RoomEvent(room=kept))
    assert answer == pb.ListRoomEventsResponse(events=[wanted])


def test_an_object_of_twilios_is_kept_whole() -> None:
    request = insights.GetInsightsParticipantRequest(read_mask=FieldMask(paths=["properties"]))
    participant = insights_pb2.InsightsParticipant(
        participant_sid="PA1", properties={"a": [1, {"b": None}]}
    )

    mask = parse_mask("/gateway.rooms.v1.InsightsService/GetInsightsParticipant", request)
    answer = pruned(insights.GetInsightsParticipantResponse(participant=participant), mask)

    assert answer == insights.GetInsightsParticipantResponse(
        participant=insights_pb2.InsightsParticipant(properties={"a": [1, {"b": None}]})
    )


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "nothing",
        "sid.",
        ".sid",
        "sid.x",
        "Sid",
        "links.nothing",
        "links..recordings",
        "unknown_words.word",
        "room",
    ],
)
def test_a_path_that_names_no_field_is_refused(path: str) -> None:
    with pytest.raises(
        InvalidArgument, match=r"read_mask.paths\[1\] names no field of Room; give paths .* sid, "
    ):
        tree("sid", path)


def test_a_star_beside_a_path_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="names no field"):
        tree("*", "sid")


def test_a_mask_has_100_paths_at_the_most() -> None:
    assert tree(*["sid"] * PATHS_LIMIT) == {"sid": {}}
    with pytest.raises(InvalidArgument, match="read_mask has 101 paths; give up to 100"):
        tree(*["sid"] * (PATHS_LIMIT + 1))


def test_a_path_of_many_names_ends_at_the_first_that_is_no_message() -> None:
    with pytest.raises(InvalidArgument, match="names no field"):
        tree("links." * 10_000 + "recordings")
