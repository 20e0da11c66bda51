import pytest
from google.protobuf.descriptor_pool import Default
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from gateway.core.errors import InvalidArgument
from gateway.rpc.masks import PATHS_LIMIT, MaskTree, parse_mask, prune
from gateway.rpc.servicers import SERVICE_NAMES
from gateway.rpc.v1 import events_pb2, insights_pb2, participant_pb2, room_pb2
from gateway.rpc.v1 import insights_service_pb2 as insights
from gateway.rpc.v1 import room_service_pb2 as pb

GET = "/rooms_gateway.v1.RoomService/GetRoom"
METHODS = [method for name in SERVICE_NAMES for method in Default().FindServiceByName(name).methods]
READS = [method for method in METHODS if method.name.startswith(("Get", "BatchGet", "List"))]


def tree(*paths: str) -> MaskTree:
    return parse_mask(GET, pb.GetRoomRequest(read_mask=FieldMask(paths=paths)))


def pruned(response: Message, mask: MaskTree) -> Message:
    prune(response, mask)
    return response


@pytest.mark.parametrize("method", READS, ids=lambda method: method.name)
def test_every_read_method_has_a_mask_and_a_resource(method: object) -> None:
    request, response = method.input_type, method.output_type  # type: ignore[attr-defined]

    assert request.fields_by_name["read_mask"].message_type.full_name == "google.protobuf.FieldMask"
    assert response.fields_by_number[1].message_type.fields


def test_no_write_method_has_a_mask() -> None:
    assert [
        method
        for method in METHODS
        if method not in READS and "read_mask" in method.input_type.fields_by_name
    ] == []


@pytest.mark.parametrize("paths", [(), ("*",)])
def test_no_mask_and_a_star_keep_everything(paths: tuple[str, ...]) -> None:
    room = room_pb2.Room(sid="RM1", freshness=room_pb2.Freshness(stale=True))

    assert pruned(pb.GetRoomResponse(room=room), tree(*paths)) == pb.GetRoomResponse(room=room)


def test_a_request_without_the_field_keeps_everything() -> None:
    assert parse_mask("/tests.Service/GetLength", StringValue(value="x")) == {}


def room_with_links(**links: str) -> room_pb2.Room:
    return room_pb2.Room(twilio=room_pb2.RoomTwilioDetails(links=room_pb2.RoomLinks(**links)))


def test_prune_clears_fields_outside_the_mask() -> None:
    codecs = [room_pb2.VIDEO_CODEC_VP8]
    room = room_with_links(participants="p", recordings="r")
    room.MergeFrom(
        room_pb2.Room(sid="RM1", unique_name="daily", max_participants=0, video_codecs=codecs)
    )

    response = pruned(
        pb.GetRoomResponse(room=room), tree("sid", "twilio.links.recordings", "video_codecs")
    )

    expected = room_with_links(recordings="r")
    expected.MergeFrom(room_pb2.Room(sid="RM1", video_codecs=codecs))
    assert response == pb.GetRoomResponse(room=expected)


def test_prune_keeps_the_token_of_a_list() -> None:
    rooms = [room_pb2.Room(sid=f"RM{n}", unique_name="daily") for n in range(3)]

    response = pruned(pb.ListRoomsResponse(rooms=rooms, next_page_token="token"), tree("sid"))

    expected = [room_pb2.Room(sid=f"RM{n}") for n in range(3)]
    assert response == pb.ListRoomsResponse(rooms=expected, next_page_token="token")


def test_prune_does_not_set_unset_messages() -> None:
    response = pruned(
        pb.GetRoomResponse(room=room_pb2.Room(sid="RM1")),
        tree("twilio.links.recordings", "freshness"),
    )

    assert response == pb.GetRoomResponse(room=room_pb2.Room())
    assert pruned(pb.GetRoomResponse(), tree("sid")) == pb.GetRoomResponse()


@pytest.mark.parametrize("paths", [("twilio", "twilio.links"), ("twilio.links", "twilio")])
def test_the_wider_of_two_paths_wins(paths: tuple[str, ...]) -> None:
    room = room_with_links(participants="p", recordings="r")
    room.twilio.url = "u"

    assert pruned(pb.GetRoomResponse(room=room), tree(*paths)) == pb.GetRoomResponse(room=room)


def test_a_path_may_have_several_parts() -> None:
    request = pb.ListRoomEventsRequest(
        read_mask=FieldMask(
            paths=["cursor", "event.room.sid", "event.track_added.participant.identity"]
        )
    )
    track = participant_pb2.PublishedTrack(sid="MT1")
    ann = participant_pb2.Participant(sid="PA1", identity="ann")
    event = events_pb2.RoomEvent(
        room=room_pb2.Room(sid="RM1", unique_name="daily"),
        track_added=events_pb2.TrackAdded(participant=ann, track=track),
    )
    logged = events_pb2.LoggedEvent(cursor="c", event=event)

    mask = parse_mask("/rooms_gateway.v1.RoomService/ListRoomEvents", request)
    response = pruned(pb.ListRoomEventsResponse(events=[logged]), mask)

    expected = events_pb2.RoomEvent(
        room=room_pb2.Room(sid="RM1"),
        track_added=events_pb2.TrackAdded(participant=participant_pb2.Participant(identity="ann")),
    )
    assert response == pb.ListRoomEventsResponse(
        events=[events_pb2.LoggedEvent(cursor="c", event=expected)]
    )


def test_a_struct_is_kept_whole() -> None:
    request = insights.GetInsightsParticipantRequest(read_mask=FieldMask(paths=["properties"]))
    participant = insights_pb2.InsightsParticipant(
        participant_sid="PA1", properties={"a": [1, {"b": None}]}
    )

    mask = parse_mask("/rooms_gateway.v1.InsightsService/GetInsightsParticipant", request)
    response = pruned(insights.GetInsightsParticipantResponse(participant=participant), mask)

    assert response == insights.GetInsightsParticipantResponse(
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
        "twilio.nothing",
        "twilio..links",
        "unknown_words.word",
        "room",
    ],
)
def test_a_path_that_names_no_field_is_rejected(path: str) -> None:
    with pytest.raises(
        InvalidArgument,
        match=r"read_mask.paths\[1\] names no field of Room: start the path .* sid, ",
    ):
        tree("sid", path)


def test_a_star_beside_a_path_is_rejected() -> None:
    with pytest.raises(InvalidArgument, match="names no field"):
        tree("*", "sid")


def test_more_than_100_paths_are_rejected() -> None:
    assert tree(*["sid"] * PATHS_LIMIT) == {"sid": {}}
    with pytest.raises(InvalidArgument, match="read_mask has 101 paths: send up to 100"):
        tree(*["sid"] * (PATHS_LIMIT + 1))


def test_a_very_long_path_is_rejected() -> None:
    with pytest.raises(InvalidArgument, match="names no field"):
        tree("links." * 10_000 + "recordings")
