"""Invalid calls return the documented code on every face.

The message says what to do.
"""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from tests.rpc.client import Clients
from tests.running import Gateway, new_name, new_sid, room_ref

READ = "query($ref: RoomRef!) { room(ref: $ref) { sid } }"
CREATE = """mutation($input: CreateRoomInput!) { createRoom(input: $input) { room { sid } errors {
    code message field } } }"""
COMPLETE = """mutation($room: RoomRef!) { completeRoom(input: {room: $room}) { room { sid } errors {
    code message field } } }"""
LIST = (
    "query($first: Int!, $after: String) { rooms(first: $first, after: $after) { nodes { sid } } }"
)


@pytest.mark.parametrize(
    "ref", ["", "a" * 129, "with\nnewline", "nul\x00", "tab\t", "bell\x07", "\u2028"]
)
async def test_invalid_room_reference_is_bad_user_input(gateway: Gateway, ref: str) -> None:
    error = await gateway.execute_error(READ, ref=room_ref(ref))
    assert error["code"] == "BAD_USER_INPUT"
    assert error["retryable"] is False
    assert any(word in error["message"] for word in ("give", "remove")), error["message"]


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".", "../Rooms", "%2e%2e", "a b", "ü?&=#", "日本", "a" * 128, "'\"\\"]
)
async def test_room_with_any_printable_name_is_created_read_and_completed(
    gateway: Gateway, name: str
) -> None:
    ref = room_ref(name)
    assert (await gateway.execute(READ, ref=ref))["room"] is None
    created = (await gateway.execute(CREATE, input={"uniqueName": name}))["createRoom"]["room"]
    assert (await gateway.execute(READ, ref=ref))["room"] == created
    completed = (await gateway.execute(COMPLETE, room=ref))["completeRoom"]
    assert completed["room"] == created
    assert (await gateway.execute(READ, ref=ref))["room"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"maxParticipants": 0},
        {"maxParticipants": 51},
        {"maxParticipants": "many"},
        {"maxParticipants": 3, "type": "GO"},
        {"type": "CASTLE"},
        {"type": "UNKNOWN"},
        {"videoCodecs": ["AV1"]},
        {"emptyRoomTimeoutMinutes": 0},
        {"unusedRoomTimeoutMinutes": 61},
        {"maxParticipantDurationSeconds": 599},
        {"uniqueName": ""},
        {"uniqueName": "a" * 129},
        {"uniqueName": "line\nbreak"},
        {"recordingRules": []},
        {"recordingRules": [{"type": "INCLUDE"}]},
        {"recordingRules": [{"type": "INCLUDE", "all": True, "kind": "AUDIO"}]},
        {"mediaRegion": "the moon"},
        {"statusCallback": "https://elsewhere.example"},
    ],
    ids=str,
)
async def test_invalid_parameter_creates_no_room(
    gateway: Gateway, fields: dict[str, object]
) -> None:
    before = len(await gateway.sandbox("GET", "/calls"))
    error = await gateway.execute_error(CREATE, input=fields)
    # A value of a wrong type is refused before the mutation runs.
    assert error["code"] in ("INVALID_INPUT", "BAD_USER_INPUT")
    calls = (await gateway.sandbox("GET", "/calls"))[before:]
    assert not [call for call in calls if call["method"] == "POST"]


@pytest.mark.parametrize("mutation", ["createRoom", "ensureRoom"])
async def test_every_wrong_field_of_a_new_room_is_reported_at_once_on_both_faces(
    gateway: Gateway, clients: Clients, mutation: str
) -> None:
    type_ = mutation[0].upper() + mutation[1:]
    document = f"""mutation($input: {type_}Input!) {{
        {mutation}(input: $input) {{ room {{ sid }} errors {{ code field message }} }} }}"""
    wrong: dict[str, Any] = {
        "uniqueName": "a\nb",
        "maxParticipants": 51,
        "maxParticipantDurationSeconds": 1,
        "emptyRoomTimeoutMinutes": 61,
        "unusedRoomTimeoutMinutes": 0,
        "recordingRules": [{"include": {"track": ""}}, {"exclude": {"publisher": ""}}],
        "mediaRegion": "?",
        "transcriptionsConfiguration": {"hints": ["x" * 101]},
    }
    expected = [
        ["uniqueName"],
        ["maxParticipants"],
        ["maxParticipantDurationSeconds"],
        ["emptyRoomTimeoutMinutes"],
        ["unusedRoomTimeoutMinutes"],
        ["recordingRules", "0", "include", "track"],
        ["recordingRules", "1", "exclude", "publisher"],
        ["mediaRegion"],
        ["transcriptionsConfiguration", "hints", "0"],
    ]
    if mutation == "createRoom":
        wrong["idempotencyKey"] = ""
        expected.append(["idempotencyKey"])
    payload = (await gateway.post(document, {"input": wrong})).body["data"][mutation]
    assert payload["room"] is None
    assert sorted(error["field"] for error in payload["errors"]) == sorted(expected)
    assert {error["code"] for error in payload["errors"]} == {"INVALID_INPUT"}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(clients.rooms, type_)(
            unique_name="a\nb",
            max_participants=51,
            max_participant_duration=timedelta(seconds=1),
            empty_room_timeout=timedelta(seconds=90),
            unused_room_timeout=timedelta(),
            recording_rules=[
                {"effect": "TRACK_RULE_EFFECT_INCLUDE", "track": ""},
                {"effect": "TRACK_RULE_EFFECT_EXCLUDE", "publisher": ""},
            ],
            media_region="?",
            transcriptions_configuration={"hints": ["x" * 101]},
        )
    status = rpc_status.from_call(refused.value)
    assert status is not None
    bad_request = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad_request)
    assert sorted(each.field for each in bad_request.field_violations) == [
        "empty_room_timeout",
        "max_participant_duration",
        "max_participants",
        "media_region",
        "recording_rules[0].track",
        "recording_rules[1].publisher",
        "transcriptions_configuration.hints[0]",
        "unique_name",
        "unused_room_timeout",
    ]


@pytest.mark.parametrize(
    "variables", [{"first": 0}, {"first": 101}, {"first": 5, "after": "nonsense"}], ids=str
)
async def test_invalid_page_arguments_are_bad_user_input(
    gateway: Gateway, variables: dict[str, object]
) -> None:
    assert (await gateway.execute_error(LIST, **variables))["code"] == "BAD_USER_INPUT"


async def test_page_cursor_of_other_filters_is_bad_user_input(gateway: Gateway) -> None:
    await gateway.create_room()
    page = await gateway.execute("{ rooms(first: 1) { edges { cursor } } }")
    error = await gateway.execute_error(
        "query($after: String) { rooms(filter: {statuses: [COMPLETED]}, after: $after) { "
        "nodes { sid } } }",
        after=page["rooms"]["edges"][0]["cursor"],
    )
    assert error["code"] == "BAD_USER_INPUT"


async def test_unknown_room_is_null_in_a_query_and_an_error_in_a_mutation(
    gateway: Gateway,
) -> None:
    assert (await gateway.execute(READ, ref=room_ref(new_sid())))["room"] is None
    error = await gateway.execute_error(COMPLETE, room=room_ref(new_sid()))
    assert (error["code"], error["field"]) == ("ROOM_NOT_FOUND", ["room"])


@pytest.mark.parametrize("after", ["", "nonsense", "A" * 54, "A" * 4000, "ü"])
async def test_malformed_cursor_is_rejected_on_every_transport(
    gateway: Gateway, after: str
) -> None:
    watch = """subscription($room: RoomRef, $after: String) { roomEvents(room: $room, after:
        $after) {
        cursor } }"""
    room = new_sid()
    async with gateway.websocket() as socket:
        variables = {"room": room_ref(room), "after": after}
        await socket.send_json(
            {"id": "1", "type": "subscribe", "payload": {"query": watch, "variables": variables}}
        )
        message = await socket.receive_json(timeout=10)
    problem = (
        message["payload"][0] if message["type"] == "error" else message["payload"]["errors"][0]
    )
    assert problem["extensions"]["code"] == "BAD_USER_INPUT"

    headers = {**gateway.auth, "Accept": "text/event-stream"}
    body = {"query": watch, "variables": {"room": room_ref(room), "after": after}}
    async with gateway.http.post(gateway.ready["sse"], json=body, headers=headers) as reply:
        assert "BAD_USER_INPUT" in await reply.text()

    async with gateway.channel() as channel:
        stream = stubs.RoomServiceStub(channel).WatchRoomEvents(
            pb.WatchRoomEventsRequest(room=room, after=after or "!"), metadata=gateway.metadata
        )
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stream.read()
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_subscription_to_an_unknown_name_is_not_found(gateway: Gateway) -> None:
    watch = "subscription($room: RoomRef) { roomEvents(room: $room) { cursor } }"
    async with gateway.websocket() as socket:
        payload = {"query": watch, "variables": {"room": room_ref(new_name())}}
        await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
        message = await socket.receive_json(timeout=10)
    problem = (
        message["payload"][0] if message["type"] == "error" else message["payload"]["errors"][0]
    )
    assert problem["extensions"]["code"] == "NOT_FOUND"


async def test_body_over_the_limit_is_413(gateway: Gateway) -> None:
    reply = await gateway.post("{ __typename }" + " " * 70_000)
    assert reply.status == 413
    assert "at most 65536 bytes" in str(reply.body)
    fields = gateway.callback_fields("room-ended", new_sid(), Padding="x" * 70_000)
    assert await gateway.send_callback(fields) == 413


@pytest.mark.parametrize(
    "document", ["{", "{ nothing }", "query($a: Int!) { room(ref: $a) { sid } }", "", "fragment"]
)
async def test_invalid_document_is_bad_user_input(gateway: Gateway, document: str) -> None:
    assert (await gateway.execute_error(document))["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "credential",
    [{}, {"Authorization": "Bearer rgk_wrong"}, {"Authorization": "Basic eDp5"}, {"X-API-Key": ""}],
)
async def test_unknown_credentials_are_unauthenticated(
    gateway: Gateway, credential: dict[str, str]
) -> None:
    async with gateway.http.post(
        gateway.ready["graphql"], json={"query": "{ __typename }"}, headers=credential
    ) as reply:
        body = await reply.json(content_type=None)
    assert reply.status == 401
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    async with gateway.channel() as channel:
        metadata = tuple((name.lower(), value) for name, value in credential.items())
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stubs.RoomServiceStub(channel).GetRoom(
                pb.GetRoomRequest(room="x"), metadata=metadata
            )
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (pb.GetRoomRequest(room=""), "INVALID_ARGUMENT"),
        (pb.GetRoomRequest(room="a" * 129), "INVALID_ARGUMENT"),
        (pb.GetRoomRequest(room="nul\x00"), "INVALID_ARGUMENT"),
        (pb.GetRoomRequest(room="no/such/../room"), "NOT_FOUND"),
        (pb.GetRoomRequest(room="RM" + "0" * 32), "NOT_FOUND"),
        (pb.CompleteRoomRequest(room="unknown"), "NOT_FOUND"),
        (pb.CreateRoomRequest(max_participants=51), "INVALID_ARGUMENT"),
        (pb.CreateRoomRequest(max_participants=0), "INVALID_ARGUMENT"),
        (pb.CreateRoomRequest(type=99), "INVALID_ARGUMENT"),  # type: ignore[arg-type]
        (pb.ListRoomsRequest(page_size=-1), "INVALID_ARGUMENT"),
        (pb.ListRoomsRequest(page_token="nonsense"), "INVALID_ARGUMENT"),
        (pb.BatchGetRoomsRequest(rooms=["x"] * 101), "INVALID_ARGUMENT"),
    ],
    ids=lambda value: str(value)[:60].replace("\n", " "),
)  # fmt: skip
async def test_grpc_error_has_the_documented_code_and_reason(
    gateway: Gateway, request_: object, code: str
) -> None:
    method = type(request_).__name__.removesuffix("Request")
    async with gateway.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await getattr(stubs.RoomServiceStub(channel), method)(
                request_, metadata=gateway.metadata
            )
    assert error.value.code().name == code
    status = rpc_status.from_call(error.value)
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert (info.reason, info.domain) == (
        {"INVALID_ARGUMENT": "INVALID_INPUT", "NOT_FOUND": "ROOM_NOT_FOUND"}[code],
        "rooms-gateway",
    )
