"""Batches of reads within one operation."""

from gateway.core.errors import UpstreamUnavailable
from gateway.core.participants import ParticipantFilter, ParticipantStatus
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import room, room_sid

PARTICIPANTS = "participants(first: 20) { nodes { identity roomSid room { uniqueName } } }"


async def test_participants_of_a_page_of_rooms_are_loaded_in_one_batch(
    server: GraphQLServer,
) -> None:
    server.account.rooms.stored = [room(number, f"room{number}") for number in range(20)]
    data = await server.data("{ rooms(first: 20) { nodes { sid " + PARTICIPANTS + " } } }")
    data = data["rooms"]["nodes"]
    assert [node["participants"]["nodes"][0]["roomSid"] for node in data] == [
        room_sid(number) for number in range(20)
    ]
    assert server.account.participants.batches == [[room_sid(number) for number in range(20)]]
    assert server.account.participants.calls == [("pages", ParticipantFilter(), 20)]


async def test_rooms_of_participants_are_loaded_in_one_batch_without_duplicates(
    server: GraphQLServer,
) -> None:
    server.account.rooms.stored = [room(number, f"room{number}") for number in range(3)]
    data = await server.data("{ rooms(first: 20) { nodes { uniqueName " + PARTICIPANTS + " } } }")
    data = data["rooms"]["nodes"]
    assert [node["participants"]["nodes"][0]["room"]["uniqueName"] for node in data] == [
        "room0",
        "room1",
        "room2",
    ]
    assert server.account.rooms.batches == [[room_sid(0), room_sid(1), room_sid(2)]]

    server.account.rooms.batches.clear()
    data = await server.data(
        '{ room(ref: {uniqueName: "room1"}) { a: participants(first: 1) { nodes { room { sid } } } '
        + PARTICIPANTS
        + " } }"
    )
    assert server.account.rooms.batches == [[room_sid(1)]]


async def test_each_filter_has_a_batch_of_its_own(server: GraphQLServer) -> None:
    server.account.rooms.stored = [room(1, "one"), room(2, "two")]
    await server.data(
        """{ rooms(first: 9) { nodes {
        a: participants { nodes { sid } }
        again: participants { nodes { sid } }
        b: participants(filter: {statuses: [DISCONNECTED]}, first: 5) { nodes { sid } } } } }"""
    )
    assert server.account.participants.batches == [[room_sid(1), room_sid(2)]] * 2
    assert server.account.participants.calls == [
        ("pages", ParticipantFilter(), 50),
        ("pages", ParticipantFilter(statuses=(ParticipantStatus.DISCONNECTED,)), 5),
    ]


async def test_one_failed_room_does_not_fail_the_others(server: GraphQLServer) -> None:
    server.account.rooms.stored = [room(1, "one"), room(2, "two")]
    server.account.participants.failing = {
        room_sid(1): UpstreamUnavailable("Twilio did not respond: retry")
    }
    _, body = await server.post(
        '{ a: room(ref: {uniqueName: "one"}) { '
        + PARTICIPANTS
        + ' } b: room(ref: {uniqueName: "two"}) { '
        + PARTICIPANTS
        + " } }"
    )
    [error] = body["errors"]
    assert (error["path"], error["extensions"]["code"]) == (
        ["a", "participants"],
        "UPSTREAM_UNAVAILABLE",
    )
    assert body["data"]["a"] == {"participants": None}
    assert body["data"]["b"]["participants"]["nodes"][0]["identity"] == "ada"


async def test_a_failed_batch_fails_every_field(server: GraphQLServer) -> None:
    server.account.participants.error = UpstreamUnavailable("Twilio did not respond: retry")
    server.account.rooms.stored = [room(1, "one"), room(2, "two")]
    _, body = await server.post(
        '{ a: room(ref: {uniqueName: "one"}) { '
        + PARTICIPANTS
        + ' } b: room(ref: {uniqueName: "two"}) { '
        + PARTICIPANTS
        + " } }"
    )
    assert sorted(error["path"][0] for error in body["errors"]) == ["a", "b"]


async def test_a_later_batch_reads_again(server: GraphQLServer) -> None:
    """A field of a mutation must be read after that mutation."""
    server.account.rooms.stored = [room(1, "one")]
    payload = f"{{ room {{ {PARTICIPANTS} }} }}"
    one = 'completeRoom(input: {room: {uniqueName: "one"}}) ' + payload
    many = f"m0: {one} m1: {one}"
    await server.data("mutation { " + many + " }")
    assert server.account.participants.batches == [[room_sid(1)], [room_sid(1)]]
    assert server.account.rooms.batches == [[room_sid(1)], [room_sid(1)]]


async def test_a_page_after_a_cursor_is_not_batched(server: GraphQLServer) -> None:
    await server.data(
        """{ room(ref: {uniqueName: "standup"}) { participants(first: 5, after: "p0") { nodes {
            sid } } } }"""
    )
    [(method, _, filters, first, after)] = server.account.participants.calls
    assert (method, filters, first, after) == ("page", ParticipantFilter(), 5, "p0")
    assert server.account.participants.batches == []
