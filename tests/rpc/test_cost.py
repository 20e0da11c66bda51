import pytest
from google.protobuf.message import Message

from gateway.core.callers import Caller
from gateway.rpc.cost import cost_advice, cost_trailers, count_objects, max_cost
from gateway.rpc.v1 import participant_service_pb2, recording_service_pb2
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1.room_pb2 import Room
from gateway.service.callers.charge import CALL_COST, FETCH_COST, Charge
from gateway.service.callers.points import CallerLimiter


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (pb.GetRoomRequest(room="a"), CALL_COST + FETCH_COST),
        (pb.CreateRoomRequest(), CALL_COST + FETCH_COST),
        (pb.ListRoomsRequest(), CALL_COST + FETCH_COST + 50),
        (pb.ListRoomsRequest(page_size=7), CALL_COST + FETCH_COST + 7),
        (pb.ListRoomsRequest(page_size=1_000), CALL_COST + FETCH_COST + 100),
        (pb.ListRoomsRequest(page_size=-1), CALL_COST + FETCH_COST + 1),
        (pb.BatchGetRoomsRequest(rooms=["a", "b"]), CALL_COST + 2 * (FETCH_COST + 1)),
        (pb.BatchGetRoomsRequest(), CALL_COST),
        (pb.WatchRoomEventsRequest(), CALL_COST + FETCH_COST),
        (recording_service_pb2.ListRecordingsRequest(page_size=3), CALL_COST + FETCH_COST + 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else "",
)
def test_max_cost_is_that_of_the_same_query_in_graphql(request_: Message, expected: int) -> None:
    assert max_cost(request_) == expected


def test_count_objects_counts_the_objects_in_lists() -> None:
    assert count_objects(pb.ListRoomsResponse(rooms=[Room(), Room()], next_page_token="t")) == 2
    assert count_objects(pb.BatchGetRoomsResponse(rooms=[Room()], missing=["b"])) == 1
    assert count_objects(pb.GetRoomResponse(room=Room())) == 0
    assert count_objects(participant_service_pb2.ListParticipantsResponse()) == 0


async def test_cost_trailers_are_lower_case_and_have_the_fields_of_graphql(caller: Caller) -> None:
    charge = Charge(CallerLimiter(), caller)
    assert cost_trailers(charge) == ()
    await charge.hold(100)
    charge.settle(5)
    by_name = dict(cost_trailers(charge))
    assert set(by_name) == {"ratelimit-policy", "ratelimit", "cost"}
    assert (
        by_name["cost"]
        == "requested=100, actual=15, limit=1500000, remaining=1499985, reset-after-ms=1"
    )


def test_the_advice_names_what_the_request_has() -> None:
    assert cost_advice(pb.BatchGetRoomsRequest()) == "request fewer rooms"
    assert cost_advice(pb.ListRoomsRequest()) == "request smaller pages"
