"""The table of routes, and what is sent to them: whatever it is, it is answered, and bad input changes nothing."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.sandbox import Sandbox
from gateway.sandbox.errors import TwilioError
from gateway.sandbox.forms import Form
from gateway.sandbox.rest.operations import ROUTES, Rest
from gateway.sandbox.rest.requests import RestRequest, RestResponse
from tests.sandbox.conftest import Api, refused
from tests.sandbox.documents import OPERATIONS, Operation, check
from tests.sandbox.stage import set_up

RULES = ("UpdateRoomParticipantSubscribeRule", "UpdateRoomRecordingRule")
ALL = {"type": "include", "all": True}


def test_the_routes_are_the_documented_operations_and_the_media() -> None:
    documented = {
        (re.sub(r"\{\w+\}", "{}", operation.path.removeprefix("/v1/")), operation.method.upper())
        for operation in OPERATIONS.values()
    }
    built = {(path, method) for path, operations in ROUTES.items() for method in operations}

    assert {path for path, _ in built - documented} == {
        "Recordings/{}/Media",
        "Rooms/{}/Recordings/{}/Media",
    }
    assert documented <= built


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/Rooms/RM0", (404, 20404)),
        ("GET", "/v1/Rooms/RM0/Participants", (404, 20404)),
        ("GET", "/v1/Rooms/", (404, 20404)),
        ("GET", "/v1/Nothing", (404, 20404)),
        ("GET", "/v1/Video", (404, 20404)),
        ("GET", "/v1/Compositions", (404, 20404)),
        ("GET", "/v2/Rooms", (404, 20404)),
        ("GET", "/", (404, 20404)),
        ("DELETE", "/v1/Rooms/RM0", (405, 20004)),
        ("PUT", "/v1/Rooms", (405, 20004)),
        ("POST", "/v1/Rooms/RM0/Participants", (405, 20004)),
        ("POST", "/v1/Recordings", (405, 20004)),
        ("DELETE", "/v1/Recordings", (405, 20004)),
        ("GET", "/v1/Rooms/RM0/Participants/PA0/Anonymize", (405, 20004)),
        ("POST", "/v1/Video/Rooms", (405, 20004)),
    ],
)
async def test_what_is_not_there_is_refused_in_twilios_shape(
    api: Api, method: str, path: str, expected: tuple[int, int]
) -> None:
    reply = await api.raw(method, path)

    assert refused(reply) == expected
    assert reply.body["status"] == reply.status
    assert reply.body["more_info"] == f"https://www.twilio.com/docs/errors/{expected[1]}"


async def test_a_405_says_what_would_do(api: Api) -> None:
    assert (await api.raw("PUT", "/v1/Rooms")).headers["Allow"] == "GET, POST"


# Room, participant and track are the last ones in their paths, so that one wrong letter in the last SID is enough.
FETCHES = [
    operation
    for operation in OPERATIONS.values()
    if operation.method == "get" and operation.path.endswith("}")
]


@pytest.mark.parametrize("operation", FETCHES, ids=lambda operation: operation.id)
@pytest.mark.parametrize("wrong", ["ZZ" + "0" * 32, "nobody", "%00", "%FF"])
async def test_a_sid_of_another_kind_is_not_found(
    api: Api, operation: Operation, wrong: str
) -> None:
    target = (await set_up(api)).target(operation.path)

    assert (await api.get(target)).status == 200
    assert refused(await api.get(f"{target.rpartition('/')[0]}/{wrong}")) == (404, 20404)


BAD_FORMS: list[tuple[str, dict[str, Any], int]] = [
    ("UpdateRoom", {}, 20001),
    ("UpdateRoom", {"Status": "failed"}, 53112),
    ("UpdateRoomParticipant", {}, 20001),
    ("UpdateRoomParticipant", {"Status": "reconnecting"}, 53209),
    ("UpdateRoomParticipantSubscribeRule", {}, 20001),
    ("UpdateRoomParticipantSubscribeRule", {"rules": json.dumps([ALL])}, 20001),
    ("UpdateRoomParticipantSubscribeRule", {"Rules": "[]"}, 53215),
    ("UpdateRoomParticipantSubscribeRule", {"Rules": json.dumps([ALL] * 21)}, 53215),
    (
        "UpdateRoomParticipantSubscribeRule",
        {"Rules": json.dumps([ALL, {**ALL, "kind": "audio"}])},
        53215,
    ),
    ("UpdateRoomParticipantSubscribeRule", {"Rules": json.dumps([ALL]).replace('"', "%22")}, 53215),
    ("UpdateRoomRecordingRule", {}, 20001),
    ("UpdateRoomRecordingRule", {"Rules": "[]"}, 53120),
    ("UpdateRoomRecordingRule", {"Rules": json.dumps([ALL] * 21)}, 53120),
    (
        "UpdateRoomRecordingRule",
        {"Rules": json.dumps([ALL, {"type": "include", "kind": "data"}])},
        53120,
    ),
    ("UpdateRoomTranscriptions", {"Status": "failed"}, 20001),
    ("UpdateRoomTranscriptions", {"Status": "paused"}, 20001),
    ("UpdateRoomTranscriptions", {"Status": "stopped", "Configuration": "{"}, 20001),
    ("UpdateRoomTranscriptions", {"Configuration": "[]"}, 20001),
    ("UpdateRoomTranscriptions", {"Configuration": json.dumps({"hints": ["x"] * 501})}, 20001),
    ("CreateRoomTranscriptions", {"Configuration": "text"}, 20001),
    ("CreateRoomTranscriptions", {"Configuration": '{"partialResults": "maybe"}'}, 20001),
]


@pytest.mark.parametrize(("name", "form", "code"), BAD_FORMS)
async def test_bad_input_gets_its_code_and_changes_nothing(
    sandbox: Sandbox, api: Api, name: str, form: dict[str, Any], code: int
) -> None:
    stage, operation = await set_up(api), OPERATIONS[name]
    before = [sandbox.world.find_room(sid) for sid in (stage.room, stage.bare)]

    reply = await api.post(
        stage.target(operation.path, is_new=name == "CreateRoomTranscriptions"), **form
    )

    assert refused(reply) == (400, code)
    assert [sandbox.world.find_room(sid) for sid in (stage.room, stage.bare)] == before


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("count", [1, 19, 20])
async def test_1_to_20_rules_replace_the_old_ones(api: Api, name: str, count: int) -> None:
    stage, operation = await set_up(api), OPERATIONS[name]
    target = stage.target(operation.path)

    assert (await api.post(target, Rules=json.dumps([ALL] * count))).status == 200
    assert (await api.get(target)).body["rules"] == [ALL] * count


NAMES = [
    "Status", "Rules", "Configuration", "PageSize", "Page", "PageToken", "SourceSid", "GroupingSid", "MediaType",
    "DateCreatedAfter", "DateCreatedBefore", "Identity", "RoomType", "Codec", "RoomName", "CreatedAfter",
    "CreatedBefore", "Other",
]  # fmt: skip
RULE = st.dictionaries(
    st.sampled_from(["type", "all", "kind", "publisher", "track", "priority", "x"]),
    st.sampled_from(
        ["include", "exclude", True, False, "audio", "data", "Ada", "low", None, 5, [], "\ud800"]
    ),
)
JSON = st.lists(RULE, max_size=3).map(json.dumps) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(json.dumps)
WORDS = st.sampled_from(
    ["completed", "disconnected", "started", "stopped", "failed", "deleted", "audio", "group", "opus", "2026-01-02", "0",
     "1", "-1", "1001", "RM" + "0" * 32, "2026-01-02T03:04:05+14:00", "9999-12-31T23:59:59-12:00", "[]", "{}", "\udcff"]
)  # fmt: skip
FORMS = st.dictionaries(
    st.sampled_from(NAMES), st.lists(JSON | WORDS | st.text(), min_size=1, max_size=2), max_size=4
)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_any_form_and_query_gets_a_documented_answer_or_one_of_twilios_codes(
    sandbox: Sandbox, api: Api, operation: Operation
) -> None:
    stage = await set_up(api)
    rest, account = Rest(sandbox.world), sandbox.accounts[0]
    target = stage.target(operation.path, is_new=operation.id == "CreateRoomTranscriptions")
    segments = tuple(target.removeprefix("/v1/").split("/"))

    @given(FORMS, FORMS)
    @hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    def send(query: dict[str, list[str]], form: dict[str, list[str]]) -> None:
        method = operation.method.upper()
        answer = answered(
            rest, RestRequest(account, method, segments, Form(query), Form(form), "http://gw")
        )
        assert answer.status in (operation.status, 400), answer.body
        if answer.status == operation.status and operation.schema:
            check(
                operation,
                msgspec.json.decode(msgspec.json.encode(answer.body)),
                operation.schema,
                operation.path,
            )

    send()


def answered(rest: Rest, call: RestRequest) -> RestResponse:
    try:
        return rest.answer(call)
    except TwilioError as exc:
        return RestResponse(exc.status, exc.body())
