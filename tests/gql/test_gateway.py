"""The graph below a room, against the whole gateway and its sandbox."""

from typing import Any

from tests.running import Gateway, new_name, new_sid

PEOPLE = """query($ref: ID!) { room(ref: $ref) { participants(first: 10) { nodes { id sid identity status room { sid }
    publishedTracks { nodes { id kind name enabled } } subscribedTracks { nodes { sid kind publisherSid } }
    subscribeRules { rules { type all } } } freshness { isStale source } asOf } } }"""
TIMELINE = """query($ref: ID!, $after: String) { room(ref: $ref) { events(after: $after, first: 3) {
    nodes { cursor prev type source ... on ParticipantEvent { who: participant { identity } }
        ... on RoomChanged { changed participant { identity status } } }
    pageInfo { hasNextPage endCursor } } } }"""


async def meeting(gateway: Gateway, *identities: str, **fields: Any) -> dict[str, Any]:
    """A room in which these people send their voice."""
    room = await gateway.create_room(**fields)
    for identity in identities:
        await gateway.sandbox(
            "POST",
            f"/rooms/{room['sid']}/participants",
            {"identity": identity, "tracks": ["audio"]},
        )
    return room


async def test_people_and_their_tracks_are_shown(gateway: Gateway) -> None:
    room = await meeting(gateway, "ada", "bob")
    people = (await gateway.execute(PEOPLE, ref=room["uniqueName"]))["room"]["participants"]
    assert people["freshness"]["isStale"] is False
    by_name = {node["identity"]: node for node in people["nodes"]}
    assert by_name.keys() == {"ada", "bob"}
    ada, bob = by_name["ada"], by_name["bob"]
    assert ada["id"] == f"{room['sid']}:{ada['sid']}"
    assert ada["room"] == {"sid": room["sid"]}
    [voice] = ada["publishedTracks"]["nodes"]
    assert (voice["kind"], voice["enabled"]) == ("AUDIO", True)
    assert bob["subscribedTracks"]["nodes"] == [
        {"sid": voice["id"].rpartition(":")[2], "kind": "AUDIO", "publisherSid": ada["sid"]}
    ]
    assert ada["subscribeRules"]["rules"] == [{"type": "INCLUDE", "all": True}]

    ids = [room["sid"], ada["id"], voice["id"], bob["id"]]
    nodes = await gateway.execute(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }", ids=ids
    )
    assert [node["id"] for node in nodes["nodes"]] == ids


async def test_a_page_of_rooms_costs_a_list_and_a_read_for_each_room_that_is_not_known(
    gateway: Gateway,
) -> None:
    rooms = [await meeting(gateway, "ada") for _ in range(5)]
    document = """query($n: Int!) { rooms(first: $n) { nodes { sid participants(first: 10) {
        nodes { identity room { uniqueName } } } } } }"""

    async def calls() -> list[str]:
        return [
            call["path"]
            for call in await gateway.sandbox("GET", "/calls")
            if call["method"] == "GET" and any(room["sid"] in call["path"] for room in rooms)
        ]

    told = (await gateway.execute(document, n=5))["rooms"]["nodes"]
    assert {node["sid"] for node in told} == {room["sid"] for room in rooms}
    assert all(node["participants"]["nodes"][0]["identity"] == "ada" for node in told)
    lists = [f"/v1/Rooms/{room['sid']}/Participants" for room in rooms]
    assert sorted(path for path in await calls() if path.endswith("/Participants")) == sorted(lists)
    before = await calls()
    assert len(before) <= 10, "one list of participants a room, and the room itself at most"
    await gateway.execute(document, n=5)
    assert await calls() == before


async def test_somebody_is_sent_out_and_made_nameless(gateway: Gateway) -> None:
    room = await meeting(gateway, "ada", "bob")
    ref = {"room": room["sid"], "who": "ada"}
    out = (
        await gateway.execute(
            """mutation($room: ID!, $who: ID!) { disconnectParticipant(room: $room, participant: $who) {
            id sid status freshness { isStale } } }""",
            **ref,
        )
    )["disconnectParticipant"]
    assert (out["status"], out["freshness"]) == ("DISCONNECTED", None)
    here = (await gateway.execute(PEOPLE, ref=room["sid"]))["room"]["participants"]["nodes"]
    assert [node["identity"] for node in here] == ["bob"]

    anonymous = await gateway.execute(
        "mutation($room: ID!, $who: ID!) { anonymizeParticipant(room: $room, participant: $who) { identity } }",
        room=room["sid"],
        who=out["id"],
    )
    assert anonymous["anonymizeParticipant"]["identity"] == out["sid"]
    gone = await gateway.execute_error(
        "mutation($room: ID!, $who: ID!) { disconnectParticipant(room: $room, participant: $who) { sid } }",
        **ref,
    )
    assert gone["code"] == "NOT_FOUND"
    assert await gateway.execute(
        "query($room: ID!, $who: ID!) { participant(room: $room, participant: $who) { sid } }",
        **ref,
    ) == {"participant": None}
    nowhere = await gateway.execute(
        'query($r: ID!, $id: ID!) { participant(room: $r, participant: "ada") { sid } node(id: $id) { id } }',
        r=new_name(),
        id=f"{new_sid()}:{out['sid']}",
    )
    assert nowhere == {"participant": None, "node": None}


async def test_the_timeline_tells_what_happened_and_what_we_did(gateway: Gateway) -> None:
    room = await gateway.create_room()
    document = "subscription($room: ID!) { roomEvents(room: $room) { cursor __typename } }"
    async with gateway.subscribe_ws(document, room=room["sid"]) as messages:
        await anext(messages)
        await gateway.sandbox(
            "POST", f"/rooms/{room['sid']}/participants", {"identity": "ada", "tracks": []}
        )
        await gateway.execute(
            'mutation($r: ID!) { disconnectParticipant(room: $r, participant: "ada") { sid } }',
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
    changed = [node for node in nodes if node.get("changed") == "PARTICIPANT"]
    assert [node["participant"] for node in changed] == [
        {"identity": "ada", "status": "DISCONNECTED"}
    ]

    async with gateway.subscribe_ws(
        "subscription($room: ID!, $after: String) { roomEvents(room: $room, after: $after) { cursor prev } }",
        room=room["sid"],
        after=nodes[0]["cursor"],
    ) as messages:
        await anext(messages)
        assert await anext(messages) == {"cursor": nodes[1]["cursor"], "prev": nodes[0]["cursor"]}
    refused = await gateway.execute_error(TIMELINE, ref=room["sid"], after="forged")
    assert refused["code"] == "BAD_USER_INPUT"


async def test_rules_are_replaced_and_refused_before_twilio_hears_of_them(gateway: Gateway) -> None:
    room = await meeting(gateway, "ada")
    subscribe = """mutation($room: ID!, $rules: [SubscribeRuleInput!]!) { updateSubscribeRules(room: $room,
        participant: "ada", rules: $rules) { rules { type kind priority } dateUpdated } }"""
    rules = [{"type": "INCLUDE", "kind": "VIDEO", "priority": "LOW"}]
    told = (await gateway.execute(subscribe, room=room["sid"], rules=rules))["updateSubscribeRules"]
    assert told["rules"] == rules
    assert (await gateway.execute_error(subscribe, room=room["sid"], rules=[]))[
        "code"
    ] == "BAD_USER_INPUT"
    read = await gateway.execute(
        'query($r: ID!) { participant(room: $r, participant: "ada") { subscribeRules { rules { kind } } } }',
        r=room["sid"],
    )
    assert read["participant"]["subscribeRules"]["rules"] == [{"kind": "VIDEO"}]

    record = """mutation($room: ID!, $rules: [RecordingRuleInput!]!) { updateRecordingRules(room: $room, rules: $rules) {
        rules { type all kind } } }"""
    told = await gateway.execute(record, room=room["sid"], rules=[{"type": "INCLUDE", "all": True}])
    assert told["updateRecordingRules"]["rules"] == [{"type": "INCLUDE", "all": True, "kind": None}]
    read = await gateway.execute(
        "query($r: ID!) { room(ref: $r) { recordingRules { rules { all } } } }", r=room["sid"]
    )
    assert read["room"]["recordingRules"]["rules"] == [{"all": True}]


async def test_recordings_and_insights_are_there_after_the_end(gateway: Gateway) -> None:
    room = await meeting(gateway, "ada", recordParticipantsOnConnect=True)
    await gateway.execute("mutation($r: ID!) { completeRoom(ref: $r) { status } }", r=room["sid"])
    await gateway.sandbox("POST", "/clock", {"advance_s": 600})
    document = """query($r: ID!) { room(ref: $r) { status
        recordings { nodes { id sid status type codec containerFormat groupingSids { roomSid } } }
        insights { roomSid roomStatus roomName processingState
            participants { nodes { participantIdentity status codecs properties } } } } }"""
    told = (await gateway.execute(document, r=room["sid"]))["room"]
    [recording] = told["recordings"]["nodes"]
    assert (recording["status"], recording["type"], recording["codec"]) == (
        "COMPLETED",
        "AUDIO",
        "OPUS",
    )
    assert recording["groupingSids"] == {"roomSid": room["sid"]}
    assert (told["insights"]["roomSid"], told["insights"]["roomName"]) == (
        room["sid"],
        room["uniqueName"],
    )
    assert [node["participantIdentity"] for node in told["insights"]["participants"]["nodes"]] == [
        "ada"
    ]

    listed = await gateway.execute(
        "query($of: [ID!]) { recordings(groupingSids: $of, mediaType: AUDIO) { nodes { sid } } }",
        of=[room["sid"]],
    )
    assert listed["recordings"]["nodes"] == [{"sid": recording["sid"]}]
    gone = await gateway.execute(
        "mutation($s: ID!, $r: ID!) { deleteRecording(recording: $s, room: $r) }",
        s=recording["sid"],
        r=room["sid"],
    )
    assert gone == {"deleteRecording": recording["sid"]}
    read = await gateway.execute(
        "query($s: ID!) { recording(sid: $s) { status media { url } } }", s=recording["sid"]
    )
    assert read["recording"] in (None, {"status": "DELETED", "media": None})


async def test_a_transcription_is_started_and_stopped(gateway: Gateway) -> None:
    room = await meeting(gateway, "ada")
    started = (
        await gateway.execute(
            """mutation($r: ID!) { startTranscription(room: $r, configuration: {languageCode: "de-DE",
            partialResults: true}) { id ttid status configuration { languageCode partialResults } } }""",
            r=room["sid"],
        )
    )["startTranscription"]
    assert started["status"] == "STARTED"
    assert started["configuration"] == {"languageCode": "de-DE", "partialResults": True}
    stop = "mutation($r: ID!, $t: ID!) { updateTranscription(room: $r, transcription: $t, status: STOPPED) { status } }"
    stopped = await gateway.execute(stop, r=room["sid"], t=started["id"])
    assert stopped["updateTranscription"] == {"status": "STOPPED"}
    read = await gateway.execute(
        "query($r: ID!) { room(ref: $r) { transcriptions { nodes { ttid status } } } }",
        r=room["sid"],
    )
    assert read["room"]["transcriptions"]["nodes"] == [
        {"ttid": started["ttid"], "status": "STOPPED"}
    ]


async def test_a_token_is_minted_and_explained(gateway: Gateway) -> None:
    room = await gateway.create_room(maxParticipantDuration=600)
    mint = 'mutation($r: ID, $t: Duration) { mintAccessToken(identity: "ada", room: $r, ttl: $t) { jwt room expiresAt } }'
    token = (await gateway.execute(mint, r=room["uniqueName"], t="PT5M"))["mintAccessToken"]
    assert token["room"] == room["uniqueName"]
    assert (await gateway.execute_error(mint, r=room["uniqueName"], t="PT11M"))[
        "code"
    ] == "BAD_USER_INPUT"

    explain = """mutation($t: String!, $r: ID) { explainToken(token: $t, room: $r) { isValid problem sentence
        facts { identity isSigned } } }"""
    good = (await gateway.execute(explain, t=token["jwt"], r=room["sid"]))["explainToken"]
    assert (good["isValid"], good["problem"]) == (True, None)
    assert good["facts"] == {"identity": "ada", "isSigned": True}
    elsewhere = (await gateway.execute(explain, t=token["jwt"], r=new_name()))["explainToken"]
    assert elsewhere["problem"] == "OTHER_ROOM"
    broken = (await gateway.execute(explain, t=token["jwt"][:-4] + "AAAA"))["explainToken"]
    assert (broken["isValid"], broken["problem"]) == (False, "BAD_SIGNATURE")
