"""Who is in rooms, in queries."""

from dataclasses import replace

from gateway.core.errors import UpstreamUnavailable
from gateway.core.room_state.live import Stay
from gateway.core.rooms import RoomStatus
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import ADA, AT, PUBLISHED, VOICE, participant, room, room_sid

WALL = """{ rooms(first: 20) { nodes { sid participantCount presence { id asOf participantCount
    room { sid } participants { id since isMuted participant { id identity asOf }
    tracks { id isMuted } } } } } }"""
PRESENT = Stay(participant(), AT, (replace(PUBLISHED, muted=True),))


async def test_the_presence_of_a_page_of_rooms_is_read_in_one_batch(server: GraphQLServer) -> None:
    server.account.rooms.stored = [room(number, f"room{number}") for number in (1, 2, 3)]
    server.account.presence.stays = {room_sid(1): (PRESENT,), room_sid(2): ()}
    one, two, three = (await server.data(WALL))["rooms"]["nodes"]
    assert server.account.presence.calls == [
        [(room_sid(number), RoomStatus.IN_PROGRESS) for number in (1, 2, 3)]
    ]
    assert one == {
        "sid": room_sid(1),
        "participantCount": 1,
        "presence": {
            "id": f"{room_sid(1)}:presence",
            "asOf": "c7",
            "participantCount": 1,
            "room": {"sid": room_sid(1)},
            "participants": [
                {
                    "id": f"{room_sid(1)}:{ADA}:presence",
                    "since": "2026-11-20T12:00:00Z",
                    "isMuted": True,
                    "participant": {
                        "id": f"{room_sid(1)}:{ADA}",
                        "identity": "ada",
                        "asOf": "c7",
                    },
                    "tracks": [{"id": f"{room_sid(1)}:{ADA}:{VOICE}", "isMuted": True}],
                }
            ],
        },
    }
    assert (two["participantCount"], two["presence"]["participants"]) == (0, [])
    assert (three["participantCount"], three["presence"]) == (None, None)


async def test_without_the_log_presence_is_null_with_an_error(server: GraphQLServer) -> None:
    server.account.presence.error = UpstreamUnavailable("Redis did not reply")
    _, body = await server.post('{ room(ref: {uniqueName: "standup"}) { sid participantCount } }')
    assert body["data"]["room"] == {"sid": room_sid(1), "participantCount": None}
    [error] = body["errors"]
    assert error["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"


async def test_presence_costs_a_point_for_each_room_and_each_object(server: GraphQLServer) -> None:
    server.account.rooms.stored = [room(number, f"room{number}") for number in (1, 2)]
    server.account.presence.stays = {room_sid(1): (PRESENT,), room_sid(2): ()}
    _, body = await server.post(WALL)
    # A call, the page of rooms, two fields of each room, and 50 participants in each.
    cost = body["extensions"]["cost"]
    assert cost["requested"] == 10 + 25 + 20 + 2 * 20 + 50 * 20
    # Two rooms, a participant and a track. The log costs nothing more.
    assert cost["actual"] == 10 + 4
