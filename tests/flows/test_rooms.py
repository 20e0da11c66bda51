"""The lifecycle of a room in GraphQL, with the sandbox as Twilio."""

import re

from tests.running import Gateway, new_name, new_sid, room_ref

ROOM = """query($ref: RoomRef!) { room(ref: $ref) { id sid uniqueName status type endTime
    freshness {
    isStale source } asOf } }"""
COMPLETE = """mutation($room: RoomRef!) { completeRoom(input: {room: $room}) {
    room { sid status endTime durationSeconds } errors { code field } } }"""


async def test_room_is_created_read_listed_and_completed(gateway: Gateway) -> None:
    name = new_name()
    created = await gateway.create_room(name, type="GROUP", maxParticipants=7)

    by_sid = (await gateway.execute(ROOM, ref=room_ref(created["sid"])))["room"]
    by_name = (await gateway.execute(ROOM, ref=room_ref(name)))["room"]
    assert by_sid["status"] == "IN_PROGRESS"
    assert by_sid["id"] == created["sid"]
    assert by_sid["freshness"] == {"isStale": False, "source": "CALLBACKS"}
    assert by_name["sid"] == created["sid"]

    listed = await gateway.execute(
        "query($n: String) { rooms(filter: {uniqueName: $n}) { nodes { sid } } }", n=name
    )
    assert listed["rooms"]["nodes"] == [{"sid": created["sid"]}]

    ended = (await gateway.execute(COMPLETE, room={"uniqueName": name}))["completeRoom"]["room"]
    assert ended["status"] == "COMPLETED"
    assert ended["endTime"] is not None

    assert (await gateway.execute(ROOM, ref=room_ref(created["sid"])))["room"][
        "status"
    ] == "COMPLETED"
    assert (await gateway.execute(ROOM, ref=room_ref(name)))["room"] is None, (
        "a name refers to a room in progress only"
    )


async def test_created_room_sends_its_callbacks_to_the_gateway(gateway: Gateway) -> None:
    created = await gateway.create_room()
    document = """query($r: ID!) { room(ref: {sid: $r}) { twilio { url statusCallback
        statusCallbackMethod } } }"""
    details = (await gateway.execute(document, r=created["sid"]))["room"]["twilio"]
    address, _, mark = details["statusCallback"].partition("?key=")
    assert address == gateway.ready["callbacks"]
    assert re.fullmatch(r"[0-9a-f]{32}#rc=5&rp=all&ct=1000&rt=2500", mark)
    assert details["url"].endswith(created["sid"])
    assert details["statusCallbackMethod"] == "POST"


async def test_freshness_and_position_are_null_where_they_say_nothing(gateway: Gateway) -> None:
    created = await gateway.execute(
        """mutation($i: CreateRoomInput!) {
            createRoom(input: $i) { room { sid freshness { source } asOf } } }""",
        i={"uniqueName": new_name()},
    )
    room = created["createRoom"]["room"]
    await gateway.sandbox("POST", f"/rooms/{room['sid']}/participants", {"identity": "ada"})
    variables = {"room": room_ref(room["sid"])}
    read = await gateway.execute(
        """query($room: RoomRef!) { room(ref: $room) { freshness { source } asOf
            participants { nodes { freshness { source } asOf } } } }""",
        **variables,
    )
    changed = await gateway.execute(
        """mutation($room: RoomRef!) {
            disconnectParticipant(input: {room: $room, participant: {identity: "ada"}}) {
                participant { freshness { source } asOf } }
            completeRoom(input: {room: $room}) { room { freshness { source } asOf } } }""",
        **variables,
    )
    [read_participant] = read["room"]["participants"]["nodes"]
    for shown in (room, read["room"], read_participant, changed["completeRoom"]["room"]):
        assert shown["freshness"]
        assert shown["asOf"]
    response = changed["disconnectParticipant"]["participant"]
    assert response == {"freshness": None, "asOf": None}
    events = await gateway.execute(
        """query($room: RoomRef!) { room(ref: $room) { events { nodes { cursor
            room { freshness { source } asOf } } } } }""",
        **variables,
    )
    for event in events["room"]["events"]["nodes"]:
        assert event["room"] == {"freshness": None, "asOf": event["cursor"]}


async def test_a_field_that_fails_leaves_the_rest_of_its_room(gateway: Gateway) -> None:
    created = await gateway.create_room()
    document = """query($r: ID!) { room(ref: {sid: $r}) { sid
        events(after: "junk") { nodes { id } } participants { nodes { id } } } }"""
    body = (await gateway.post(document, {"r": created["sid"]})).body
    assert body["data"]["room"] == {
        "sid": created["sid"],
        "events": None,
        "participants": {"nodes": []},
    }
    assert [error["path"] for error in body["errors"]] == [["room", "events"]]


async def test_pages_continue_without_overlap(gateway: Gateway) -> None:
    names = {new_name() for _ in range(5)}
    for name in names:
        await gateway.create_room(name)
    document = """query($after: String) { rooms(first: 2, after: $after) {
        edges { cursor node { uniqueName } } pageInfo { hasNextPage endCursor } } }"""

    listed: list[str] = []
    after = None
    while True:
        page = (await gateway.execute(document, after=after))["rooms"]
        listed += [edge["node"]["uniqueName"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert names <= set(listed)
    assert len(listed) == len(set(listed))


async def test_list_continues_after_any_of_its_rooms(gateway: Gateway) -> None:
    for _ in range(4):
        await gateway.create_room()
    document = """query($n: Int!, $after: String) { rooms(first: $n, after: $after) { edges {
        cursor node { sid } } } }"""
    whole = (await gateway.execute(document, n=4))["rooms"]["edges"]

    rest = (await gateway.execute(document, n=4, after=whole[1]["cursor"]))["rooms"]["edges"]

    assert [edge["node"] for edge in rest[:2]] == [edge["node"] for edge in whole[2:]]


async def test_nodes_keep_their_order_with_null_for_missing_ones(gateway: Gateway) -> None:
    first, second = await gateway.create_room(), await gateway.create_room()
    nodes = await gateway.execute(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        ids=[second["sid"], new_sid(), first["sid"]],
    )
    assert nodes["nodes"] == [{"id": second["sid"]}, None, {"id": first["sid"]}]


async def test_name_in_use_is_an_error_with_the_room(gateway: Gateway) -> None:
    created = await gateway.create_room()
    error = await gateway.execute_error(
        """mutation($input: CreateRoomInput!) { createRoom(input: $input) { errors { code
            ... on NameTaken { room { sid } } } } }""",
        input={"uniqueName": created["uniqueName"]},
    )
    assert error == {"code": "NAME_TAKEN", "room": {"sid": created["sid"]}}


async def test_ended_room_cannot_be_completed_again(gateway: Gateway) -> None:
    created = await gateway.create_room()
    await gateway.execute(COMPLETE, room={"sid": created["sid"]})
    error = await gateway.execute_error(COMPLETE, room={"sid": created["sid"]})
    assert error == {"code": "ROOM_ALREADY_ENDED", "field": ["room"]}


async def test_completing_an_unknown_room_is_not_found(gateway: Gateway) -> None:
    for room in ({"sid": new_sid()}, {"uniqueName": new_name()}):
        error = await gateway.execute_error(COMPLETE, room=room)
        assert error == {"code": "ROOM_NOT_FOUND", "field": ["room"]}
