"""Descriptions from the protos: which text an element gets, and in which words."""

from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema

from gateway.gql.schema.texts import describe

PROTO_TEXTS = {
    "Room": "A room.",
    "Room.duration": "How long it lasted. Unset until the room ends.",
    "Room.large_room": "Whether it is large.",
    "Room.end_time": "Earlier than `update_time`; see `max_duration` and `audio_only`.",
    "Room.status": "`ROOM_STATUS_COMPLETED` after `CompleteRoom`; `ListRooms` has it.",
    "RoomStatus": "What the room does.",
    "RoomStatus.ROOM_STATUS_COMPLETED": "It has ended.",
    "CreateRoomRequest": "Settings of a room.",
    "CreateRoomRequest.request_id": "Up to 128 characters.",
    "ListRoomsRequest.created_after": "Includes its moment.",
    "RoomService": "Rooms.",
    "RoomService.ListRooms": "Rooms, newest first.",
    "RoomService.ListRoomEvents": "Events of one room.",
    "ListRoomEventsRequest.types": "Every type when unset.",
    "RoomService.CompleteRoom": "Ends the room.",
    "CompleteRoomRequest.room": "A SID.",
    "RoomEvent.late": "Whether it was late.",
    "RoomService.GetRoom": "Returns a room. Fails with NOT_FOUND if there is none.",
    "GetRoomRequest.room": "The room.",
    "ListRoomsRequest.statuses": "Every status when unset.",
    "ListRoomsRequest.unique_name": "Unset: every name.",
}

SDL = """
interface Node { id: ID! }
interface RoomEvent { "From the interface." source: Int isLate: Boolean }
type RoomCreated implements RoomEvent { source: Int isLate: Boolean }
type Room implements Node {
  id: ID! status: RoomStatus durationSeconds: Int isLargeRoom: Boolean endTime: Int
  updateTime: Int maxDurationSeconds: Int isAudioOnly: Boolean room: Int
  events(first: Int, types: [Int]): Int
  "Own words." large: Boolean
}
enum RoomStatus { COMPLETED }
enum RoomStatusInput { COMPLETED }
input CreateRoomInput { idempotencyKey: String }
input RoomFilter { createdAfter: Int statuses: [Int] uniqueName: String }
type RoomConnection { nodes: [Room] pageInfo: PageInfo edges: [RoomEdge] }
type RoomEdge { cursor: String node: Room }
type PageInfo { endCursor: String }
type CompleteRoomPayload { room: Room errors: [String] }
type Query { room(ref: ID!): Room rooms(first: Int, filter: RoomFilter): RoomConnection }
type Mutation { completeRoom(room: ID): CompleteRoomPayload create(i: CreateRoomInput): Int
  status: RoomStatusInput event: RoomEvent created: RoomCreated }
"""


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return describe(build_schema(SDL), PROTO_TEXTS)


@pytest.mark.parametrize(
    ("element", "text"),
    [
        ("Room", "A room."),
        ("Room.durationSeconds", "How long it lasted. Null until the room ends."),
        ("Room.isLargeRoom", "Whether it is large."),
        ("Room.endTime", "Earlier than `updateTime`; see `maxDurationSeconds` and `isAudioOnly`."),
        ("Room.status", "`COMPLETED` after `completeRoom`; `rooms` has it."),
        ("Room.large", "Own words."),
        ("Room.maxDurationSeconds", None),
        ("Room.room", None),
        ("Room.events", "Events of one room."),
        ("RoomStatus", "What the room does."),
        ("RoomStatusInput", "What the room does."),
        ("CreateRoomInput", "Settings of a room."),
        ("CreateRoomInput.idempotencyKey", "Up to 128 characters."),
        ("RoomFilter.createdAfter", "Includes its moment."),
        ("RoomFilter.statuses", "Every status when null."),
        ("RoomFilter.uniqueName", "Null: every name."),
        ("Query.room", "Returns a room. Null if there is none."),
        ("Query.rooms", "Rooms, newest first."),
        ("Mutation.completeRoom", "Ends the room."),
        ("RoomEvent.isLate", "Whether it was late."),
        ("RoomCreated.isLate", "Whether it was late."),
        ("RoomCreated.source", "From the interface."),
        ("RoomEdge", "One `Room` of a page, with its cursor."),
        ("Room.id", "The object's id in the whole schema, for `node` and for caches of clients."),
    ],
)
def test_an_element_has_the_text_of_the_proto_element_that_means_the_same(
    schema: GraphQLSchema, element: str, text: str | None
) -> None:
    name, _, field = element.partition(".")
    described = schema.type_map[name]
    if field:
        described = described.fields[field]  # type: ignore[attr-defined]
    assert described.description == text


def test_enum_values_and_arguments_have_texts(schema: GraphQLSchema) -> None:
    status: Any = schema.type_map["RoomStatusInput"]
    assert status.values["COMPLETED"].description == "It has ended."
    assert schema.mutation_type is not None
    assert schema.query_type is not None
    assert schema.mutation_type.fields["completeRoom"].args["room"].description == "A SID."
    assert schema.query_type.fields["room"].args["ref"].description == "The room, or its `id`."
    first = schema.query_type.fields["rooms"].args["first"].description
    assert first == "The largest number of objects in the page, 1 to 100. Null means 50."


def test_the_schema_has_a_description(schema: GraphQLSchema) -> None:
    assert schema.description
