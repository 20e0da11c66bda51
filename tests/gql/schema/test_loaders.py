"""What fields ask for in the same moment travels together."""

from gateway.core.errors import UpstreamUnavailable
from gateway.core.participants import ParticipantFilter, ParticipantStatus
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import room, room_sid

PEOPLE = "participants(first: 20) { nodes { identity roomSid room { uniqueName } } }"


async def test_the_participants_of_a_page_of_rooms_are_asked_for_at_once(
    server: GraphQLServer,
) -> None:
    server.account.rooms.stored = [room(number, f"room{number}") for number in range(50)]
    told = (await server.data("{ rooms { nodes { sid " + PEOPLE + " } } }"))["rooms"]["nodes"]
    assert [node["participants"]["nodes"][0]["roomSid"] for node in told] == [
        room_sid(number) for number in range(50)
    ]
    assert server.account.participants.batches == [[room_sid(number) for number in range(50)]]
    assert server.account.participants.calls == [("pages", ParticipantFilter(), 20)]


async def test_their_rooms_are_asked_for_at_once_and_each_once(server: GraphQLServer) -> None:
    server.account.rooms.stored = [room(number, f"room{number}") for number in range(3)]
    told = (await server.data("{ rooms { nodes { uniqueName " + PEOPLE + " } } }"))["rooms"][
        "nodes"
    ]
    assert [node["participants"]["nodes"][0]["room"]["uniqueName"] for node in told] == [
        "room0",
        "room1",
        "room2",
    ]
    assert server.account.rooms.batches == [[room_sid(0), room_sid(1), room_sid(2)]]

    server.account.rooms.batches.clear()
    told = await server.data(
        '{ room(ref: "room1") { a: participants(first: 1) { nodes { room { sid } } } '
        + PEOPLE
        + " } }"
    )
    assert server.account.rooms.batches == [[room_sid(1)]]


async def test_each_choice_of_participants_is_a_batch_of_its_own(server: GraphQLServer) -> None:
    server.account.rooms.stored = [room(1, "one"), room(2, "two")]
    await server.data(
        """{ rooms(first: 9) { nodes { a: participants { nodes { sid } } again: participants { nodes { sid } }
        b: participants(status: DISCONNECTED, first: 5) { nodes { sid } } } } }"""
    )
    assert server.account.participants.batches == [[room_sid(1), room_sid(2)]] * 2
    assert server.account.participants.calls == [
        ("pages", ParticipantFilter(), 50),
        ("pages", ParticipantFilter(status=ParticipantStatus.DISCONNECTED), 5),
    ]


async def test_a_room_that_fails_fails_alone(server: GraphQLServer) -> None:
    server.account.rooms.stored = [room(1, "one"), room(2, "two")]
    server.account.participants.failing = {
        room_sid(1): UpstreamUnavailable("Twilio gave no answer; ask again")
    }
    _, body = await server.post(
        '{ a: room(ref: "one") { ' + PEOPLE + ' } b: room(ref: "two") { ' + PEOPLE + " } }"
    )
    [error] = body["errors"]
    assert (error["path"], error["extensions"]["code"]) == (
        ["a", "participants"],
        "UPSTREAM_UNAVAILABLE",
    )
    assert body["data"]["a"] is None
    assert body["data"]["b"]["participants"]["nodes"][0]["identity"] == "ada"


async def test_what_fails_for_all_is_told_by_each(server: GraphQLServer) -> None:
    server.account.participants.error = UpstreamUnavailable("Twilio gave no answer; ask again")
    server.account.rooms.stored = [room(1, "one"), room(2, "two")]
    _, body = await server.post(
        '{ a: room(ref: "one") { ' + PEOPLE + ' } b: room(ref: "two") { ' + PEOPLE + " } }"
    )
    assert sorted(error["path"][0] for error in body["errors"]) == ["a", "b"]


async def test_nothing_is_remembered_from_one_batch_to_the_next(server: GraphQLServer) -> None:
    """A mutation's own answer is read after it, not before."""
    server.account.rooms.stored = [room(1, "one")]
    many = " ".join(f'm{n}: completeRoom(ref: "one") {{ {PEOPLE} }}' for n in range(2))
    await server.data("mutation { " + many + " }")
    assert server.account.participants.batches == [[room_sid(1)], [room_sid(1)]]
    assert server.account.rooms.batches == [[room_sid(1)], [room_sid(1)]]


async def test_a_later_page_is_asked_for_by_its_cursor(server: GraphQLServer) -> None:
    await server.data(
        '{ room(ref: "standup") { participants(first: 5, after: "p0") { nodes { sid } } } }'
    )
    [(method, _, wanted, first, after)] = server.account.participants.calls
    assert (method, wanted, first, after) == ("page", ParticipantFilter(), 5, "p0")
    assert server.account.participants.batches == []
