"""The table of operations, and invalid or random input to each of them."""

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
from tests.sandbox.conftest import Api, error_of
from tests.sandbox.documents import OPERATIONS, Operation, check
from tests.sandbox.scenario import create_scenario

RULES = ("UpdateRoomParticipantSubscribeRule", "UpdateRoomRecordingRule")
ALL = {"type": "include", "all": True}


def test_routes_are_the_documented_operations_and_the_media() -> None:
    documented = {
        (re.sub(r"\{\w+\}", "{}", operation.path.removeprefix("/v1/")), operation.method.upper())
        for operation in OPERATIONS.values()
    }
    implemented = {(path, method) for path, operations in ROUTES.items() for method in operations}

    assert {path for path, _ in implemented - documented} == {
        "Recordings/{}/Media",
        "Rooms/{}/Recordings/{}/Media",
    }
    assert documented <= implemented


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
async def test_unknown_path_or_method_is_an_error_in_twilios_shape(
    api: Api, method: str, path: str, expected: tuple[int, int]
) -> None:
    reply = await api.raw(method, path)

    assert error_of(reply) == expected
    assert reply.body["status"] == reply.status
    assert reply.body["more_info"] == f"https://www.twilio.com/docs/errors/{expected[1]}"


async def test_405_lists_the_allowed_methods(api: Api) -> None:
    assert (await api.raw("PUT", "/v1/Rooms")).headers["Allow"] == "GET, POST"


# The last segment of each path is a SID.
FETCHES = [
    operation
    for operation in OPERATIONS.values()
    if operation.method == "get" and operation.path.endswith("}")
]


@pytest.mark.parametrize("operation", FETCHES, ids=lambda operation: operation.id)
@pytest.mark.parametrize("wrong", ["ZZ" + "0" * 32, "unknown", "%00", "%FF"])
async def test_sid_of_another_kind_is_not_found(api: Api, operation: Operation, wrong: str) -> None:
    target = (await create_scenario(api)).target(operation.path)

    assert (await api.get(target)).status == 200
    assert error_of(await api.get(f"{target.rpartition('/')[0]}/{wrong}")) == (404, 20404)


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
async def test_invalid_form_gets_its_code_and_changes_nothing(
    sandbox: Sandbox, api: Api, name: str, form: dict[str, Any], code: int
) -> None:
    scenario, operation = await create_scenario(api), OPERATIONS[name]
    before = [sandbox.world.find_room(sid) for sid in (scenario.room, scenario.bare)]

    reply = await api.post(
        scenario.target(operation.path, is_new=name == "CreateRoomTranscriptions"), **form
    )

    assert error_of(reply) == (400, code)
    assert [sandbox.world.find_room(sid) for sid in (scenario.room, scenario.bare)] == before


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("count", [1, 19, 20])
async def test_1_to_20_rules_replace_the_old_ones(api: Api, name: str, count: int) -> None:
    scenario, operation = await create_scenario(api), OPERATIONS[name]
    target = scenario.target(operation.path)

    assert (await api.post(target, Rules=json.dumps([ALL] * count))).status == 200
    assert (await api.get(target)).body["rules"] == [ALL] * count


NAMES = [
    "Status", "Rules", "Configuration", "PageSize", "Page", "PageToken", "SourceSid",
    "GroupingSid", "MediaType", "DateCreatedAfter", "DateCreatedBefore", "Identity",
    "RoomType", "Codec", "RoomName", "CreatedAfter", "CreatedBefore", "Other",
]  # fmt: skip
RULE: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
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
    ["completed", "disconnected", "started", "stopped", "failed", "deleted", "audio", "group",
     "opus", "2026-01-02", "0", "1", "-1", "1001", "RM" + "0" * 32, "2026-01-02T03:04:05+14:00",
     "9999-12-31T23:59:59-12:00", "[]", "{}", "\udcff"]
)  # fmt: skip
FORMS = st.dictionaries(
    st.sampled_from(NAMES), st.lists(JSON | WORDS | st.text(), min_size=1, max_size=2), max_size=4
)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_any_form_and_query_gets_a_documented_response_or_error_code(
    sandbox: Sandbox, api: Api, operation: Operation
) -> None:
    scenario = await create_scenario(api)
    rest, account = Rest(sandbox.world), sandbox.accounts[0]
    target = scenario.target(operation.path, is_new=operation.id == "CreateRoomTranscriptions")
    segments = tuple(target.removeprefix("/v1/").split("/"))

    @given(FORMS, FORMS)
    @hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    def send(query: dict[str, list[str]], form: dict[str, list[str]]) -> None:
        method = operation.method.upper()
        response = handle(
            rest, RestRequest(account, method, segments, Form(query), Form(form), "http://gw")
        )
        assert response.status in (operation.status, 400), response.body
        if response.status == operation.status and operation.schema:
            check(
                operation,
                msgspec.json.decode(msgspec.json.encode(response.body)),
                operation.schema,
                operation.path,
            )

    send()


def handle(rest: Rest, request: RestRequest) -> RestResponse:
    try:
        return rest.handle(request)
    except TwilioError as exc:
        return RestResponse(exc.status, exc.body())
