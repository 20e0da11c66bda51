"""Lists of several statuses, newest first, and their total count."""

from typing import Any

from tests.rpc.client import Clients
from tests.running import Gateway, new_name

ROOMS = """query($filter: RoomFilter!, $first: Int, $after: String) {
    rooms(filter: $filter, first: $first, after: $after) {
        totalCount nodes { sid } pageInfo { endCursor hasNextPage } } }"""


async def make_rooms(gateway: Gateway, name: str, count: int) -> list[str]:
    """Creates rooms with one name, each ended before the next is created: the newest
    is in progress. Returns them with the newest first."""
    rooms = list[str]()
    for _ in range(count):
        if rooms:
            await gateway.complete_room_at_twilio(rooms[0])
        rooms.insert(0, (await gateway.create_room_at_twilio(UniqueName=name))["sid"])
    return rooms


async def test_pages_of_two_statuses_show_each_room_once_on_both_faces(
    gateway: Gateway, clients: Clients
) -> None:
    name = new_name()
    rooms = await make_rooms(gateway, name, 5)
    wanted: dict[str, Any] = {"statuses": ["IN_PROGRESS", "COMPLETED"], "uniqueName": name}

    shown, after = list[str](), None
    while True:
        page = await gateway.execute(ROOMS, filter=wanted, first=2, after=after)
        assert page["rooms"]["totalCount"] is None
        shown += [room["sid"] for room in page["rooms"]["nodes"]]
        after = page["rooms"]["pageInfo"]["endCursor"]
        if not page["rooms"]["pageInfo"]["hasNextPage"]:
            break
    assert shown == rooms

    listed, token = list[str](), ""
    statuses = ["ROOM_STATUS_IN_PROGRESS", "ROOM_STATUS_COMPLETED"]
    while True:
        response = await clients.rooms.ListRooms(
            statuses=statuses, unique_name=name, page_size=2, page_token=token
        )
        listed += [room.sid for room in response.rooms]
        token = response.next_page_token
        if not token:
            break
    assert listed == rooms


async def test_the_total_is_known_when_the_first_page_is_the_last(gateway: Gateway) -> None:
    name = new_name()
    await make_rooms(gateway, name, 3)
    page = await gateway.execute(ROOMS, filter={"statuses": ["COMPLETED"], "uniqueName": name})
    assert page["rooms"]["totalCount"] == 2
