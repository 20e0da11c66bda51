"""What fields ask for in the same moment travels together."""

from gateway.core.errors import UpstreamUnavailable
from gateway.core.participants import ParticipantFilter, ParticipantStatus
from tests.gql.conftest import Served, room, sid

PEOPLE = "participants(first: 20) { nodes { identity roomSid room { uniqueName } } }"


async def test_the_participants_of_a_page_of_rooms_are_asked_for_at_once(served: Served) -> None:
    served.account.rooms.known = [room(number, f"room{number}") for number in range(50)]
    told = (await served.data("{ rooms { nodes { sid " + PEOPLE + " } } }"))["rooms"]["nodes"]
    assert [node["participants"]["nodes"][0]["roomSid"] for node in told] == [
        sid(number) for number in range(50)
    ]
    assert served.account.participants.batches == [[sid(number) for number in range(50)]]
    assert served.account.participants.asked == [("pages", ParticipantFilter(), 20)]


async def test_their_rooms_are_asked_for_at_once_and_each_once(served: Served) -> None:
    served.account.rooms.known = [room(number, f"room{number}") for number in range(3)]
    told = (await served.data("{ rooms { nodes { uniqueName " + PEOPLE + " } } }"))["rooms"][
        "nodes"
    ]
    assert [node["participants"]["nodes"][0]["room"]["uniqueName"] for node in told] == [
        "room0",
        "room1",
        "room2",
    ]
    assert served.account.rooms.batches == [[sid(0), sid(1), sid(2)]]

    served.account.rooms.batches.clear()
    told = await served.data(
        '{ room(ref: "room1") { a: participants(first: 1) { nodes { room { sid } } } '
        + PEOPLE
        + " } }"
    )
    assert served.account.rooms.batches == [[sid(1)]]


async def test_each_choice_of_participants_is_a_batch_of_its_own(served: Served) -> None:
    served.account.rooms.known = [room(1, "one"), room(2, "two")]
    await served.data(
        """{ rooms(first: 9) { nodes { a: participants { nodes { sid } } again: participants { nodes { sid } }
        b: participants(status: DISCONNECTED, first: 5) { nodes { sid } } } } }"""
    )
    assert served.account.participants.batches == [[sid(1), sid(2)]] * 2
    assert served.account.participants.asked == [
        ("pages", ParticipantFilter(), 50),
        ("pages", ParticipantFilter(status=ParticipantStatus.DISCONNECTED), 5),
    ]


async def test_a_room_that_fails_fails_alone(served: Served) -> None:
    served.account.rooms.known = [room(1, "one"), room(2, "two")]
    served.account.participants.failing = {
        sid(1): UpstreamUnavailable("Twilio gave no answer; ask again")
    }
    _, body = await served.post(
        '{ a: room(ref: "one") { ' + PEOPLE + ' } b: room(ref: "two") { ' + PEOPLE + " } }"
    )
    [error] = body["errors"]
    assert (error["path"], error["extensions"]["code"]) == (
        ["a", "participants"],
        "UPSTREAM_UNAVAILABLE",
    )
    assert body["data"]["a"] is None
    assert body["data"]["b"]["participants"]["nodes"][0]["identity"] == "ada"


async def test_what_fails_for_all_is_told_by_each(served: Served) -> None:
    served.account.participants.failure = UpstreamUnavailable("Twilio gave no answer; ask again")
    served.account.rooms.known = [room(1, "one"), room(2, "two")]
    _, body = await served.post(
        '{ a: room(ref: "one") { ' + PEOPLE + ' } b: room(ref: "two") { ' + PEOPLE + " } }"
    )
    assert sorted(error["path"][0] for error in body["errors"]) == ["a", "b"]


async def test_nothing_is_remembered_from_one_batch_to_the_next(served: Served) -> None:
    """A mutation's own answer is read after it, not before."""
    served.account.rooms.known = [room(1, "one")]
    many = " ".join(f'm{n}: completeRoom(ref: "one") {{ {PEOPLE} }}' for n in range(2))
    await served.data("mutation { " + many + " }")
    assert served.account.participants.batches == [[sid(1)], [sid(1)]]
    assert served.account.rooms.batches == [[sid(1)], [sid(1)]]


async def test_a_later_page_is_asked_for_by_its_cursor(served: Served) -> None:
    await served.data(
        '{ room(ref: "standup") { participants(first: 5, after: "p0") { nodes { sid } } } }'
    )
    [(method, _, wanted, first, after)] = served.account.participants.asked
    assert (method, wanted, first, after) == ("page", ParticipantFilter(), 5, "p0")
    assert served.account.participants.batches == []
