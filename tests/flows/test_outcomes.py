"""Every expected outcome of a mutation, as data on both faces.

GraphQL tells it in the payload, gRPC in the status and its details. The reason is the
same word.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema.mutations.errors import MutationErrorCode
from tests.flows.scenario import FlowScenario
from tests.rpc.client import Clients
from tests.running import Gateway, new_name, new_sid


@dataclass(frozen=True, slots=True)
class Setting(FlowScenario):
    """The scenario, the room that was created with `KEY`, and a token for it."""

    key_room: str
    token: str


Build = Callable[["Setting"], dict[str, Any]]

# The result of each mutation, and its method in gRPC.
MUTATIONS: Final = {
    "createRoom": ("room { sid }", "rooms", "CreateRoom"),
    "ensureRoom": ("room { sid }", "rooms", "EnsureRoom"),
    "completeRoom": ("room { sid }", "rooms", "CompleteRoom"),
    "disconnectParticipant": ("participant { sid }", "participants", "DisconnectParticipant"),
    "anonymizeParticipant": ("participant { sid }", "participants", "AnonymizeParticipant"),
    "updateSubscribeRules": (
        "subscribeRules { roomSid }",
        "participants",
        "UpdateSubscribeRules",
    ),
    "updateRecordingRules": ("recordingRules { roomSid }", "recordings", "UpdateRecordingRules"),
    "deleteRecording": ("deletedRecordingId", "recordings", "DeleteRecording"),
    "startTranscription": ("transcription { ttid }", "transcriptions", "StartTranscription"),
    "updateTranscription": ("transcription { ttid }", "transcriptions", "UpdateTranscription"),
    "mintAccessToken": ("accessToken { jwt }", "tokens", "MintAccessToken"),
    "explainToken": ("explanation { isValid }", "tokens", "ExplainToken"),
}
# The case of MutationError, and the status in gRPC.
REASONS: Final = {
    "INVALID_INPUT": ("InvalidInput", "INVALID_ARGUMENT"),
    "NAME_TAKEN": ("NameTaken", "ALREADY_EXISTS"),
    "IDEMPOTENCY_KEY_REUSED": ("IdempotencyKeyReused", "ALREADY_EXISTS"),
    "ROOM_NOT_FOUND": ("RoomNotFound", "NOT_FOUND"),
    "PARTICIPANT_NOT_FOUND": ("ParticipantNotFound", "NOT_FOUND"),
    "RECORDING_NOT_FOUND": ("RecordingNotFound", "NOT_FOUND"),
    "TRANSCRIPTION_NOT_FOUND": ("TranscriptionNotFound", "NOT_FOUND"),
    "ROOM_ALREADY_ENDED": ("RoomAlreadyEnded", "FAILED_PRECONDITION"),
    "PARTICIPANT_ALREADY_LEFT": ("ParticipantAlreadyLeft", "FAILED_PRECONDITION"),
    "FAILED_PRECONDITION": ("PreconditionFailed", "FAILED_PRECONDITION"),
    "OUTCOME_UNKNOWN": ("OutcomeUnknown", "UNKNOWN"),
}
ERRORS: Final = """errors { __typename code message field
    ... on NameTaken { room { sid status } }
    ... on IdempotencyKeyReused { room { sid } }
    ... on RoomAlreadyEnded { room { sid status } }
    ... on ParticipantAlreadyLeft { participant { sid status } }
    ... on PreconditionFailed { twilioCode }
    ... on OutcomeUnknown { retryWith } }"""

MISSING_ROOM, MISSING_PARTICIPANT, MISSING_RECORDING = new_sid(), new_sid("PA"), new_sid("RT")
KEY = new_name()
# Without a key, the gateway makes one: a retry with it is safe.
RETRIED: Final = ("completeRoom", "disconnectParticipant", "startTranscription")
RULE_TO_GRAPHQL: Final[Mapping[str, Any]] = {"include": {}}
RULE_TO_GRPC: Final = {"effect": "TRACK_RULE_EFFECT_INCLUDE", "all": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mutation that ends in one expected way on both faces.

    `field` is the path below `input` in GraphQL. `violation` is the field in gRPC's
    BadRequest. `more` are the fields of the case of MutationError, `metadata` is that
    of gRPC's ErrorInfo. `fault` is what the sandbox does meanwhile.
    """

    reason: str
    mutation: str
    graphql: Build
    grpc: Build
    field: list[str] | None = None
    violation: str | None = None
    more: Build = lambda _: {}
    metadata: Build = lambda _: {}
    fault: Mapping[str, Any] | None = None


@asynccontextmanager
async def faults(gateway: Gateway, fault: Mapping[str, Any] | None) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if fault is not None:
            await stack.enter_async_context(gateway.fault(**fault))
        yield


async def by_graphql(gateway: Gateway, case: Case, setting: Setting) -> dict[str, Any]:
    """Returns the only error of the payload. The result beside it is null."""
    result, _, _ = MUTATIONS[case.mutation]
    type_ = case.mutation[0].upper() + case.mutation[1:]
    document = f"""mutation($input: {type_}Input!) {{
        {case.mutation}(input: $input) {{ {result} {ERRORS} }} }}"""
    body = (await gateway.post(document, {"input": case.graphql(setting)})).body
    assert "errors" not in body, body
    payload = body["data"][case.mutation]
    [error] = payload.pop("errors")
    assert list(payload.values()) == [None]
    return dict(error)


async def by_grpc(clients: Clients, case: Case, setting: Setting) -> grpc.aio.AioRpcError:
    _, client, method = MUTATIONS[case.mutation]
    fields = case.grpc(setting)
    if method == "DeleteRecording" and "room" in fields:
        method = "DeleteRoomRecording"
    call: Awaitable[Any] = getattr(getattr(clients, client), method)(**fields)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value


# What belongs to a room, in every mutation that names one.

IN_A_ROOM: Final = tuple(
    each for each in MUTATIONS if each not in ("createRoom", "ensureRoom", "explainToken")
)
OF_A_PARTICIPANT: Final = ("disconnectParticipant", "anonymizeParticipant", "updateSubscribeRules")
MORE_IN_GRAPHQL: Final[Mapping[str, Build]] = {
    "updateSubscribeRules": lambda _: {"rules": [RULE_TO_GRAPHQL]},
    "updateRecordingRules": lambda _: {"rules": [RULE_TO_GRAPHQL]},
    "deleteRecording": lambda scenario: {"recording": scenario.recording},
    "updateTranscription": lambda scenario: {
        "transcription": scenario.ttid,
        "status": "STOPPED",
    },
    "mintAccessToken": lambda _: {"identity": "Ada"},
}
MORE_IN_GRPC: Final[Mapping[str, Build]] = {
    "updateSubscribeRules": lambda _: {"rules": [RULE_TO_GRPC]},
    "updateRecordingRules": lambda _: {"rules": [RULE_TO_GRPC]},
    "deleteRecording": lambda scenario: {"recording": scenario.recording},
    "updateTranscription": lambda scenario: {
        "transcription": scenario.ttid,
        "status": "TRANSCRIPTION_STATUS_STOPPED",
    },
    "mintAccessToken": lambda _: {"identity": "Ada"},
}


def nothing(_: Setting) -> dict[str, Any]:
    return {}


def always(text: str) -> Callable[[Setting], str]:
    return lambda _: text


def in_room(
    reason: str,
    mutation: str,
    room: Callable[[Setting], str],
    participant: Callable[[Setting], str] = lambda scenario: scenario.participant,
    *,
    room_by: str = "sid",
    participant_by: str = "sid",
    key: str | None = None,
    **expected: Any,
) -> Case:
    """Returns the case of a mutation of this room, or of this participant of it."""
    has_participant = mutation in OF_A_PARTICIPANT

    def graphql(scenario: Setting) -> dict[str, Any]:
        refs = {"room": {room_by: room(scenario)}}
        if has_participant:
            refs["participant"] = {participant_by: participant(scenario)}
        keys = {} if key is None else {"idempotencyKey": key}
        return {**refs, **keys, **MORE_IN_GRAPHQL.get(mutation, nothing)(scenario)}

    def grpc_(scenario: Setting) -> dict[str, Any]:
        refs = {"room": room(scenario)}
        if has_participant:
            refs["participant"] = participant(scenario)
        keys = {} if key is None else {"request_id": key}
        return {**refs, **keys, **MORE_IN_GRPC.get(mutation, nothing)(scenario)}

    return Case(reason=reason, mutation=mutation, graphql=graphql, grpc=grpc_, **expected)


MISSING_ROOMS = {
    f"{mutation} in a missing room": in_room(
        "ROOM_NOT_FOUND", mutation, lambda _: MISSING_ROOM, field=["room"]
    )
    for mutation in IN_A_ROOM
} | {
    f"{mutation} in a room of an unknown name": in_room(
        "ROOM_NOT_FOUND", mutation, lambda _: "nowhere", room_by="uniqueName", field=["room"]
    )
    # A token for a name is valid for the room that gets it.
    for mutation in IN_A_ROOM
    if mutation != "mintAccessToken"
}
MISSING_PARTS = {
    **{
        f"{mutation} of a missing participant": in_room(
            "PARTICIPANT_NOT_FOUND",
            mutation,
            lambda scenario: scenario.room,
            lambda _: MISSING_PARTICIPANT,
            field=["participant"],
        )
        for mutation in OF_A_PARTICIPANT
    },
    **{
        f"{mutation} of an unknown identity": in_room(
            "PARTICIPANT_NOT_FOUND",
            mutation,
            lambda scenario: scenario.room,
            lambda _: "nobody",
            participant_by="identity",
            field=["participant"],
        )
        for mutation in OF_A_PARTICIPANT
    },
    "deleteRecording of a missing recording": Case(
        reason="RECORDING_NOT_FOUND",
        mutation="deleteRecording",
        graphql=lambda _: {"recording": MISSING_RECORDING},
        grpc=lambda _: {"recording": MISSING_RECORDING},
        field=["recording"],
    ),
    "deleteRecording of another room": Case(
        reason="RECORDING_NOT_FOUND",
        mutation="deleteRecording",
        graphql=lambda s: {"recording": s.recording, "room": {"sid": s.bare}},
        grpc=lambda s: {"recording": s.recording, "room": s.bare},
        field=["recording"],
    ),
    "updateTranscription of a missing transcription": Case(
        reason="TRANSCRIPTION_NOT_FOUND",
        mutation="updateTranscription",
        graphql=lambda s: {
            "room": {"sid": s.room},
            "transcription": "missing",
            "status": "STOPPED",
        },
        grpc=lambda s: {
            "room": s.room,
            "transcription": "missing",
            "status": "TRANSCRIPTION_STATUS_STOPPED",
        },
        field=["transcription"],
    ),
}
ENDED_ROOMS = {
    f"{mutation} in an ended room": in_room(
        "ROOM_ALREADY_ENDED",
        mutation,
        lambda scenario: scenario.ended,
        lambda scenario: scenario.ended_participant,
        field=["room"],
        more=lambda scenario: {"room": {"sid": scenario.ended, "status": "COMPLETED"}},
        metadata=lambda scenario: {"room_sid": scenario.ended},
    )
    for mutation in (
        "completeRoom",
        "updateSubscribeRules",
        "updateRecordingRules",
        "startTranscription",
        "mintAccessToken",
    )
}
ENDED_ROOMS |= {
    f"{mutation} of a missing participant in an ended room, by {by}": in_room(
        "ROOM_ALREADY_ENDED",
        mutation,
        lambda scenario: scenario.ended,
        always(name),
        participant_by=by,
        field=["room"],
        more=lambda scenario: {"room": {"sid": scenario.ended, "status": "COMPLETED"}},
        metadata=lambda scenario: {"room_sid": scenario.ended},
    )
    for mutation in ("disconnectParticipant", "updateSubscribeRules")
    for by, name in (("sid", MISSING_PARTICIPANT), ("identity", "nobody"))
}
ENDED_ROOMS["explainToken for an ended room"] = Case(
    reason="ROOM_ALREADY_ENDED",
    mutation="explainToken",
    graphql=lambda scenario: {"token": scenario.token, "room": {"sid": scenario.ended}},
    grpc=lambda scenario: {"token": scenario.token, "room": scenario.ended},
    field=["room"],
    more=lambda scenario: {"room": {"sid": scenario.ended, "status": "COMPLETED"}},
    metadata=lambda scenario: {"room_sid": scenario.ended},
)
MISSING_ROOMS["explainToken for a missing room"] = Case(
    reason="ROOM_NOT_FOUND",
    mutation="explainToken",
    graphql=lambda scenario: {"token": scenario.token, "room": {"sid": MISSING_ROOM}},
    grpc=lambda scenario: {"token": scenario.token, "room": MISSING_ROOM},
    field=["room"],
)
CONFLICTS = {
    "createRoom with a name in use": Case(
        reason="NAME_TAKEN",
        mutation="createRoom",
        graphql=lambda scenario: {"uniqueName": scenario.name},
        grpc=lambda scenario: {"unique_name": scenario.name},
        field=["uniqueName"],
        more=lambda scenario: {"room": {"sid": scenario.room, "status": "IN_PROGRESS"}},
        metadata=lambda scenario: {"room_sid": scenario.room},
    ),
    "createRoom with a key of another room": Case(
        reason="IDEMPOTENCY_KEY_REUSED",
        mutation="createRoom",
        graphql=lambda _: {"uniqueName": "other", "idempotencyKey": KEY},
        grpc=lambda _: {"unique_name": "other", "request_id": KEY},
        field=["idempotencyKey"],
        more=lambda setting: {"room": {"sid": setting.key_room}},
        metadata=lambda setting: {"room_sid": setting.key_room},
    ),
    **{
        f"{mutation} with a key of another request": in_room(
            "IDEMPOTENCY_KEY_REUSED",
            mutation,
            lambda scenario: scenario.bare,
            key=KEY,
            field=["idempotencyKey"],
            more=lambda setting: {"room": {"sid": setting.key_room}},
            metadata=lambda setting: {"room_sid": setting.key_room},
        )
        for mutation in RETRIED
    },
    "disconnectParticipant who has left": in_room(
        "PARTICIPANT_ALREADY_LEFT",
        "disconnectParticipant",
        lambda scenario: scenario.ended,
        lambda scenario: scenario.ended_participant,
        field=["participant"],
        more=lambda scenario: {
            "participant": {"sid": scenario.ended_participant, "status": "DISCONNECTED"}
        },
        metadata=lambda scenario: {
            "room_sid": scenario.ended,
            "participant_sid": scenario.ended_participant,
        },
        fault={"match": {"method": "POST"}, "status": 400, "code": 53209},
    ),
    "startTranscription in a room that has one": in_room(
        "FAILED_PRECONDITION",
        "startTranscription",
        lambda scenario: scenario.room,
        more=lambda _: {"twilioCode": 20001},
    ),
    "startTranscription in a full room": in_room(
        "FAILED_PRECONDITION",
        "startTranscription",
        lambda scenario: scenario.bare,
        more=lambda _: {"twilioCode": 53105},
        fault={"match": {"method": "POST"}, "status": 400, "code": 53105},
    ),
}
LOST_RESPONSES = {
    f"{mutation} with a lost response": in_room(
        "OUTCOME_UNKNOWN",
        mutation,
        lambda scenario: scenario.room,
        more=lambda _, mutation=mutation: {} if mutation in RETRIED else {"retryWith": None},
        fault={
            "match": {"method": "DELETE" if mutation == "deleteRecording" else "POST"},
            "hang_up": "after",
        },
    )
    for mutation in IN_A_ROOM
    # Minting a token sends nothing. Without a room, a recording is looked up.
    if mutation != "mintAccessToken"
} | {
    "createRoom without a name": Case(
        reason="OUTCOME_UNKNOWN",
        mutation="createRoom",
        graphql=lambda _: {"idempotencyKey": new_name()},
        grpc=lambda _: {"request_id": new_name()},
        more=lambda _: {"retryWith": None},
        fault={"match": {"path": "/v1/Rooms$"}, "hang_up": "after"},
    ),
    "createRoom with a name and a key": Case(
        reason="OUTCOME_UNKNOWN",
        mutation="createRoom",
        graphql=lambda _: {"uniqueName": f"{KEY}-graphql", "idempotencyKey": f"{KEY}-graphql"},
        grpc=lambda _: {"unique_name": f"{KEY}-grpc", "request_id": f"{KEY}-grpc"},
        more=lambda _: {"retryWith": f"{KEY}-graphql"},
        metadata=lambda _: {"retry_with": f"{KEY}-grpc"},
        fault={"match": {"path": "/v1/Rooms$"}, "hang_up": "after"},
    ),
}


def invalid(
    mutation: str,
    graphql: dict[str, Any],
    field: list[str],
    grpc_: dict[str, Any],
    violation: str,
) -> Case:
    return Case(
        reason="INVALID_INPUT",
        mutation=mutation,
        graphql=lambda _: graphql,
        grpc=lambda _: grpc_,
        field=field,
        violation=violation,
    )


ROOM: Final = {"room": {"sid": MISSING_ROOM}}
IN_ROOM: Final = {"room": MISSING_ROOM}
ADA: Final = {"participant": {"sid": MISSING_PARTICIPANT}}
IS_ADA: Final = {"participant": MISSING_PARTICIPANT}
NO_TRACK: Final = {"include": {"track": ""}}
NO_TRACK_IN_GRPC: Final = {"effect": "TRACK_RULE_EFFECT_INCLUDE", "track": ""}
INVALID_INPUTS = [
    invalid("createRoom", {"uniqueName": ""}, ["uniqueName"], {"unique_name": ""}, "unique_name"),
    invalid(
        "createRoom",
        {"maxParticipants": 51},
        ["maxParticipants"],
        {"max_participants": 51},
        "max_participants",
    ),
    invalid(
        "createRoom",
        {"maxParticipantDurationSeconds": 599},
        ["maxParticipantDurationSeconds"],
        {"max_participant_duration": timedelta(seconds=599)},
        "max_participant_duration",
    ),
    invalid(
        "createRoom",
        {"emptyRoomTimeoutMinutes": 61},
        ["emptyRoomTimeoutMinutes"],
        {"empty_room_timeout": timedelta(minutes=61)},
        "empty_room_timeout",
    ),
    invalid(
        "createRoom",
        {"unusedRoomTimeoutMinutes": 0},
        ["unusedRoomTimeoutMinutes"],
        {"unused_room_timeout": timedelta(0)},
        "unused_room_timeout",
    ),
    invalid(
        "createRoom",
        {"recordingRules": []},
        ["recordingRules"],
        {"recording_rules": [{"effect": "TRACK_RULE_EFFECT_INCLUDE", "all": True}] * 21},
        "recording_rules",
    ),
    invalid(
        "createRoom",
        {"recordingRules": [RULE_TO_GRAPHQL, NO_TRACK]},
        ["recordingRules", "1", "include", "track"],
        {"recording_rules": [RULE_TO_GRPC, NO_TRACK_IN_GRPC]},
        "recording_rules[1].track",
    ),
    invalid(
        "createRoom",
        {"mediaRegion": "the moon"},
        ["mediaRegion"],
        {"media_region": "the moon"},
        "media_region",
    ),
    invalid(
        "createRoom",
        {"transcriptionsConfiguration": {"hints": ["fine", "x" * 101]}},
        ["transcriptionsConfiguration", "hints", "1"],
        {"transcriptions_configuration": {"hints": ["fine", "x" * 101]}},
        "transcriptions_configuration.hints[1]",
    ),
    invalid(
        "createRoom",
        {"idempotencyKey": ""},
        ["idempotencyKey"],
        {"request_id": "x" * 129},
        "request_id",
    ),
    invalid("ensureRoom", {"uniqueName": ""}, ["uniqueName"], {"unique_name": ""}, "unique_name"),
    invalid(
        "ensureRoom",
        {"uniqueName": "standup", "maxParticipants": 0},
        ["maxParticipants"],
        {"unique_name": "standup", "max_participants": 0},
        "max_participants",
    ),
    *(
        invalid(
            mutation,
            {**ROOM, **more, "idempotencyKey": ""},
            ["idempotencyKey"],
            {**IN_ROOM, **more_in_grpc, "request_id": "x" * 129},
            "request_id",
        )
        for mutation, more, more_in_grpc in (
            ("completeRoom", {}, {}),
            ("disconnectParticipant", ADA, IS_ADA),
            ("startTranscription", {}, {}),
        )
    ),
    invalid("completeRoom", {"room": {"sid": "x"}}, ["room", "sid"], {"room": ""}, "room"),
    invalid(
        "completeRoom",
        {"room": {"uniqueName": ""}},
        ["room", "uniqueName"],
        {"room": "x" * 129},
        "room",
    ),
    *(
        invalid(
            mutation,
            {**ROOM, "participant": {"identity": ""}, **more},
            ["participant", "identity"],
            {**IN_ROOM, "participant": "", **more_in_grpc},
            "participant",
        )
        for mutation, more, more_in_grpc in (
            ("disconnectParticipant", {}, {}),
            ("anonymizeParticipant", {}, {}),
            ("updateSubscribeRules", {"rules": [RULE_TO_GRAPHQL]}, {"rules": [RULE_TO_GRPC]}),
        )
    ),
    invalid(
        "updateSubscribeRules",
        {**ROOM, **ADA, "rules": [NO_TRACK]},
        ["rules", "0", "include", "track"],
        {**IN_ROOM, **IS_ADA, "rules": [NO_TRACK_IN_GRPC]},
        "rules[0].track",
    ),
    invalid(
        "updateRecordingRules",
        {**ROOM, "rules": []},
        ["rules"],
        {**IN_ROOM, "rules": []},
        "rules",
    ),
    invalid("deleteRecording", {"recording": "x"}, ["recording"], {"recording": "x"}, "recording"),
    invalid(
        "startTranscription",
        {**ROOM, "configuration": {"languageCode": ""}},
        ["configuration", "languageCode"],
        {**IN_ROOM, "configuration": {"language_code": ""}},
        "configuration.language_code",
    ),
    invalid(
        "updateTranscription",
        {**ROOM, "transcription": "a/b", "status": "STOPPED"},
        ["transcription"],
        {**IN_ROOM, "transcription": "a/b", "status": "TRANSCRIPTION_STATUS_STOPPED"},
        "transcription",
    ),
    invalid("mintAccessToken", {"identity": ""}, ["identity"], {"identity": ""}, "identity"),
    invalid(
        "mintAccessToken",
        {"identity": "Ada", "ttlSeconds": 0},
        ["ttlSeconds"],
        {"identity": "Ada", "ttl": timedelta(0)},
        "ttl",
    ),
    invalid("explainToken", {"token": "x" * 9000}, ["token"], {"token": "x" * 9000}, "token"),
]
CASES = {
    **MISSING_ROOMS,
    **MISSING_PARTS,
    **ENDED_ROOMS,
    **CONFLICTS,
    **LOST_RESPONSES,
    **{
        f"{case.mutation} with a wrong {'.'.join(case.field or ())}": case
        for case in INVALID_INPUTS
    },
}


@pytest.fixture(scope="module")
async def setting(gateway: Gateway, scenario: FlowScenario) -> Setting:
    document = "mutation($input: CreateRoomInput!) { createRoom(input: $input) { room { sid } } }"
    created = await gateway.execute(document, input={"uniqueName": KEY, "idempotencyKey": KEY})
    document = """mutation($input: MintAccessTokenInput!) {
        mintAccessToken(input: $input) { accessToken { jwt } } }"""
    minted = await gateway.execute(document, input={"identity": "Ada", "room": {"uniqueName": KEY}})
    return Setting(
        **asdict(scenario),
        key_room=created["createRoom"]["room"]["sid"],
        token=minted["mintAccessToken"]["accessToken"]["jwt"],
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_expected_outcome_is_data_on_both_faces(
    gateway: Gateway, clients: Clients, setting: Setting, case: Case
) -> None:
    async with faults(gateway, case.fault):
        told = await by_graphql(gateway, case, setting)
    await answer_again(gateway)
    async with faults(gateway, case.fault):
        refused = await by_grpc(clients, case, setting)
    await answer_again(gateway)

    type_, status = REASONS[case.reason]
    message = told.pop("message")
    info, bad_request = details(refused)
    metadata = dict(info.metadata)
    metadata.pop("twilio_code", None)
    if case.mutation in RETRIED and case.reason == "OUTCOME_UNKNOWN":
        assert told.pop("retryWith")
        assert metadata.pop("retry_with")
    assert told == {
        "__typename": type_,
        "code": case.reason,
        "field": case.field,
        **case.more(setting),
    }
    assert (refused.code().name, info.reason, info.domain) == (
        status,
        case.reason,
        "rooms-gateway",
    )
    assert metadata == case.metadata(setting)
    assert [each.field for each in bad_request.field_violations] == (
        [] if case.violation is None else [case.violation]
    )
    for text in (message, refused.details() or ""):
        assert ":" in text or ";" in text, f"{text} (what is wrong: what to do)"


async def answer_again(gateway: Gateway) -> None:
    """Lets Twilio answer a change and a read, so that no circuit breaker opens."""
    room = await gateway.create_room()
    await gateway.execute("query($id: ID!) { node(id: $id) { id } }", id=new_sid())
    assert room["sid"]


def details(
    refused: grpc.aio.AioRpcError,
) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest]:
    status = rpc_status.from_call(refused)
    assert status is not None
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    for detail in status.details[1:]:
        detail.Unpack(bad_request)
    return info, bad_request


def test_every_mutation_is_in_the_table() -> None:
    mutations = EXECUTABLE_SCHEMA.mutation_type
    assert mutations is not None
    assert mutations.fields.keys() == MUTATIONS.keys() == {case.mutation for case in CASES.values()}
    assert {case.reason for case in CASES.values()} == {code.name for code in MutationErrorCode}
