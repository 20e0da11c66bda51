"""GraphQL against the whole gateway and its sandbox."""

from pathlib import Path
from typing import Any

from tests.running import Gateway, new_name, new_sid, running

PARTICIPANTS = """query($ref: ID!) { room(ref: {sid: $ref}) { participants(first: 10) {
    nodes { id sid identity status room { sid }
        publishedTracks { nodes { id kind name isMuted } }
        subscribedTracks { nodes { sid kind publisherSid } }
        subscribeRules { rules { effect all } } }
    freshness { isStale source } asOf } } }"""
TIMELINE = """query($ref: ID!, $after: String) { room(ref: {sid: $ref}) { events(after: $after,
    first: 3) {
    nodes { cursor prev type source ... on ParticipantEvent { participant { identity } }
        ... on RoomChanged { change changedParticipant { identity status } } }
    pageInfo { hasNextPage endCursor } } } }"""


DISCONNECT = """mutation($room: ID!, $ref: String!) {
    disconnectParticipant(input: {room: {sid: $room}, participant: {identity: $ref}}) {
        participant { id sid status freshness { isStale } } errors { code field } } }"""
ANONYMIZE = """mutation($room: ID!, $ref: ID!) {
    anonymizeParticipant(input: {room: {sid: $room}, participant: {sid: $ref}}) { participant {
    identity } } }"""


async def room_with(gateway: Gateway, *identities: str, **fields: Any) -> dict[str, Any]:
    """A room with these participants. Each publishes an audio track."""
    room = await gateway.create_room(**fields)
    for identity in identities:
        await gateway.sandbox(
            "POST",
            f"/rooms/{room['sid']}/participants",
            {"identity": identity, "tracks": ["audio"]},
        )
    return room


async def test_participants_and_their_tracks_can_be_read(gateway: Gateway) -> None:
    room = await room_with(gateway, "ada", "bob")
    data = await gateway.execute(PARTICIPANTS, ref=room["sid"])
    participants = data["room"]["participants"]
    assert participants["freshness"]["isStale"] is False
    by_identity = {node["identity"]: node for node in participants["nodes"]}
    assert by_identity.keys() == {"ada", "bob"}
    ada, bob = by_identity["ada"], by_identity["bob"]
    assert ada["id"] == f"{room['sid']}:{ada['sid']}"
    assert ada["room"] == {"sid": room["sid"]}
    [voice] = ada["publishedTracks"]["nodes"]
    assert (voice["kind"], voice["isMuted"]) == ("AUDIO", False)
    assert bob["subscribedTracks"]["nodes"] == [
        {"sid": voice["id"].rpartition(":")[2], "kind": "AUDIO", "publisherSid": ada["sid"]}
    ]
    assert ada["subscribeRules"]["rules"] == [{"effect": "INCLUDE", "all": True}]

    ids = [room["sid"], ada["id"], voice["id"], bob["id"]]
    nodes = await gateway.execute(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }", ids=ids
    )
    assert [node["id"] for node in nodes["nodes"]] == ids


async def test_a_page_of_rooms_causes_at_most_two_requests_per_uncached_room(
    gateway: Gateway,
) -> None:
    rooms = [await room_with(gateway, "ada") for _ in range(5)]
    document = """query($n: Int!) { rooms(first: $n) { nodes { sid participants(first: 10) {
        nodes { identity room { uniqueName } } } } } }"""

    async def calls() -> list[str]:
        return [
            call["path"]
            for call in await gateway.sandbox("GET", "/calls")
            if call["method"] == "GET" and any(room["sid"] in call["path"] for room in rooms)
        ]

    nodes = (await gateway.execute(document, n=5))["rooms"]["nodes"]
    assert {node["sid"] for node in nodes} == {room["sid"] for room in rooms}
    assert all(node["participants"]["nodes"][0]["identity"] == "ada" for node in nodes)
    lists = [f"/v1/Rooms/{room['sid']}/Participants" for room in rooms]
    assert sorted(path for path in await calls() if path.endswith("/Participants")) == sorted(lists)
    before = await calls()
    assert len(before) <= 10, "for each room: its list of participants, and at most the room"
    await gateway.execute(document, n=5)
    assert await calls() == before


async def test_a_participant_can_be_disconnected_and_anonymized(gateway: Gateway) -> None:
    room = await room_with(gateway, "ada", "bob")
    ada = {"room": room["sid"], "ref": "ada"}
    disconnected = (await gateway.execute(DISCONNECT, **ada))["disconnectParticipant"][
        "participant"
    ]
    assert (disconnected["status"], disconnected["freshness"]) == ("DISCONNECTED", None)
    data = await gateway.execute(PARTICIPANTS, ref=room["sid"])
    assert [node["identity"] for node in data["room"]["participants"]["nodes"]] == ["bob"]

    anonymized = await gateway.execute(ANONYMIZE, room=room["sid"], ref=disconnected["id"])
    assert anonymized["anonymizeParticipant"]["participant"]["identity"] == disconnected["sid"]
    error = await gateway.execute_error(DISCONNECT, **ada)
    assert error == {"code": "PARTICIPANT_NOT_FOUND", "field": ["participant"]}
    assert await gateway.execute(
        """query($room: ID!, $ref: String!) { participant(room: {sid: $room}, ref: {identity: $ref})
            { sid } }""",
        **ada,
    ) == {"participant": None}
    unknown_room = await gateway.execute(
        """query($room: String!, $id: ID!) {
            participant(room: {uniqueName: $room}, ref: {identity: "ada"}) { sid }
            node(id: $id) { id } }""",
        room=new_name(),
        id=f"{new_sid()}:{disconnected['sid']}",
    )
    assert unknown_room == {"participant": None, "node": None}


async def test_the_timeline_has_events_and_mutations(gateway: Gateway) -> None:
    room = await gateway.create_room()
    document = "subscription($room: ID!) { roomEvents(room: {sid: $room}) { cursor __typename } }"
    async with gateway.subscribe_ws(document, room=room["sid"]) as messages:
        await anext(messages)
        await gateway.sandbox(
            "POST", f"/rooms/{room['sid']}/participants", {"identity": "ada", "tracks": []}
        )
        await gateway.execute(
            """mutation($r: ID!) { disconnectParticipant(input: {room: {sid: $r}, participant:
                {identity: "ada"}}) { participant { sid } } }""",
            r=room["sid"],
        )
        async for message in messages:
            if message["__typename"] == "ParticipantDisconnected":
                break

    nodes: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await gateway.execute(TIMELINE, ref=room["sid"], after=after))["room"]["events"]
        nodes += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    types = [node["type"] for node in nodes]
    assert {"PARTICIPANT_CONNECTED", "PARTICIPANT_DISCONNECTED", "ROOM_CHANGED"} <= set(types)
    assert [node["prev"] for node in nodes[1:]] == [node["cursor"] for node in nodes[:-1]]
    changed = [node for node in nodes if node.get("change") == "PARTICIPANT"]
    assert [node["changedParticipant"] for node in changed] == [
        {"identity": "ada", "status": "DISCONNECTED"}
    ]

    async with gateway.subscribe_ws(
        """subscription($room: ID!, $after: String) {
            roomEvents(room: {sid: $room}, after: $after) { cursor prev } }""",
        room=room["sid"],
        after=nodes[0]["cursor"],
    ) as messages:
        await anext(messages)
        assert await anext(messages) == {"cursor": nodes[1]["cursor"], "prev": nodes[0]["cursor"]}
    error = await gateway.execute_error(TIMELINE, ref=room["sid"], after="forged")
    assert error["code"] == "BAD_USER_INPUT"


async def test_rules_are_replaced_and_validated_before_a_request_to_twilio(
    gateway: Gateway,
) -> None:
    room = await room_with(gateway, "ada")
    subscribe = """mutation($input: UpdateSubscribeRulesInput!) {
        updateSubscribeRules(input: $input) {
            subscribeRules { rules { effect kind priority } } errors { code field } } }"""
    ada = {"room": {"sid": room["sid"]}, "participant": {"identity": "ada"}}
    rule = {"include": {"kind": "VIDEO", "priority": "LOW"}}
    data = (await gateway.execute(subscribe, input={**ada, "rules": [rule]}))[
        "updateSubscribeRules"
    ]["subscribeRules"]
    assert data["rules"] == [{"effect": "INCLUDE", "kind": "VIDEO", "priority": "LOW"}]
    error = await gateway.execute_error(subscribe, input={**ada, "rules": []})
    assert error == {"code": "INVALID_INPUT", "field": ["rules"]}
    read = await gateway.execute(
        """query($r: ID!) {
            participant(room: {sid: $r}, ref: {identity: "ada"}) { subscribeRules { rules { kind
            } } } }""",
        r=room["sid"],
    )
    assert read["participant"]["subscribeRules"]["rules"] == [{"kind": "VIDEO"}]

    record = """mutation($room: ID!, $rules: [RecordingRuleInput!]!) {
        updateRecordingRules(input: {room: {sid: $room}, rules: $rules}) { recordingRules { rules {
        effect all kind } } } }"""
    data = await gateway.execute(record, room=room["sid"], rules=[{"include": {}}])
    assert data["updateRecordingRules"]["recordingRules"]["rules"] == [
        {"effect": "INCLUDE", "all": True, "kind": None}
    ]
    read = await gateway.execute(
        "query($r: ID!) { room(ref: {sid: $r}) { recordingRules { rules { all } } } }",
        r=room["sid"],
    )
    assert read["room"]["recordingRules"]["rules"] == [{"all": True}]


async def test_recordings_and_insights_can_be_read_after_the_end_of_a_room(
    tmp_path: Path,
) -> None:
    # A gateway of its own: ten minutes later a shared sandbox ends the rooms of all
    # other tests, and forgets those that ended before them.
    async with running(tmp_path) as gateway:
        await read_after_the_end(gateway)


async def read_after_the_end(gateway: Gateway) -> None:
    room = await room_with(gateway, "ada", recordParticipantsOnConnect=True)
    await gateway.execute(
        "mutation($r: ID!) { completeRoom(input: {room: {sid: $r}}) { room { status } } }",
        r=room["sid"],
    )
    await gateway.sandbox("POST", "/clock", {"advance_s": 600})
    document = """query($r: ID!) { room(ref: {sid: $r}) { status
        recordings { nodes { id sid status type codec containerFormat groupingSids { roomSid } } }
        insights { roomSid roomStatus roomName processingState
            participants { nodes { participantIdentity status codecs properties } } } } }"""
    data = (await gateway.execute(document, r=room["sid"]))["room"]
    [recording] = data["recordings"]["nodes"]
    assert (recording["status"], recording["type"], recording["codec"]) == (
        "COMPLETED",
        "AUDIO",
        "OPUS",
    )
    assert recording["groupingSids"] == {"roomSid": room["sid"]}
    assert (data["insights"]["roomSid"], data["insights"]["roomName"]) == (
        room["sid"],
        room["uniqueName"],
    )
    assert [node["participantIdentity"] for node in data["insights"]["participants"]["nodes"]] == [
        "ada"
    ]

    listed = await gateway.execute(
        "query($of: [ID!]) { recordings(filter: {groupingSids: $of, mediaType: AUDIO}) { "
        "nodes { sid } } }",
        of=[room["sid"]],
    )
    assert listed["recordings"]["nodes"] == [{"sid": recording["sid"]}]
    deleted = await gateway.execute(
        """mutation($s: ID!, $r: ID!) { deleteRecording(input: {recording: $s, room: {sid: $r}}) {
            deletedRecordingId } }""",
        s=recording["sid"],
        r=room["sid"],
    )
    assert deleted == {"deleteRecording": {"deletedRecordingId": recording["sid"]}}
    read = await gateway.execute(
        "query($s: ID!) { recording(ref: $s) { status media { url } } }", s=recording["sid"]
    )
    assert read["recording"] in (None, {"status": "DELETED", "media": None})


async def test_a_transcription_can_be_started_and_stopped(gateway: Gateway) -> None:
    room = await room_with(gateway, "ada")
    started = (
        await gateway.execute(
            """mutation($r: ID!) {
                startTranscription(input: {room: {sid: $r}, configuration: {languageCode: "de-DE",
                partialResults: true}}) { transcription { id ttid status configuration {
                languageCode partialResults } } } }""",
            r=room["sid"],
        )
    )["startTranscription"]["transcription"]
    assert started["status"] == "STARTED"
    assert started["configuration"] == {"languageCode": "de-DE", "partialResults": True}
    stop = """mutation($r: ID!, $t: ID!) {
        updateTranscription(input: {room: {sid: $r}, transcription: $t, status: STOPPED}) {
        transcription { status } } }"""
    stopped = await gateway.execute(stop, r=room["sid"], t=started["id"])
    assert stopped["updateTranscription"]["transcription"] == {"status": "STOPPED"}
    read = await gateway.execute(
        "query($r: ID!) { room(ref: {sid: $r}) { transcriptions { nodes { ttid status } } } }",
        r=room["sid"],
    )
    assert read["room"]["transcriptions"]["nodes"] == [
        {"ttid": started["ttid"], "status": "STOPPED"}
    ]


async def test_a_token_can_be_minted_and_explained(gateway: Gateway) -> None:
    room = await gateway.create_room(maxParticipantDurationSeconds=600)
    mint = """mutation($input: MintAccessTokenInput!) { mintAccessToken(input: $input) {
        accessToken { jwt room expireTime } errors { code field } } }"""
    by_name = {"identity": "ada", "room": {"uniqueName": room["uniqueName"]}}
    minted = await gateway.execute(mint, input={**by_name, "ttlSeconds": 300})
    token = minted["mintAccessToken"]["accessToken"]
    assert token["room"] == room["uniqueName"]
    error = await gateway.execute_error(mint, input={**by_name, "ttlSeconds": 660})
    assert error == {"code": "INVALID_INPUT", "field": ["ttlSeconds"]}

    async def explained(token: str, **room: Any) -> Any:
        document = """mutation($input: ExplainTokenInput!) { explainToken(input: $input) {
            explanation { isValid problem sentence facts { identity isSigned } } } }"""
        data = await gateway.execute(document, input={"token": token, **room})
        return data["explainToken"]["explanation"]

    valid = await explained(token["jwt"], room={"sid": room["sid"]})
    assert (valid["isValid"], valid["problem"]) == (True, None)
    assert valid["facts"] == {"identity": "ada", "isSigned": True}
    other_room = await explained(token["jwt"], room={"uniqueName": new_name()})
    assert other_room["problem"] == "OTHER_ROOM"
    broken = await explained(token["jwt"][:-4] + "AAAA")
    assert (broken["isValid"], broken["problem"]) == (False, "BAD_SIGNATURE")
