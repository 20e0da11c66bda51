"""Schemathesis with the gateway's own schema.

No request that the schema allows may cause a 5xx, an internal error, or an error that
the gateway could have found before it asked Twilio.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema.mutations.errors import MutationErrorCode
from tests.flows.scenario import create_flow_scenario
from tests.running import Gateway, payload_errors

EXAMPLES = 30
# When none of those is valid. The examples change with the names in this module.
MORE_EXAMPLES = 120
# Errors that a caller can cause while Twilio works normally.
CALLER_ERRORS = {"BAD_USER_INPUT", "NOT_FOUND", "CONFLICT", "FAILED_PRECONDITION", "CURSOR_EXPIRED"}
# Those that are data in the payload of a mutation.
EXPECTED = {code.name for code in MutationErrorCode} - {"OUTCOME_UNKNOWN"}
LOAD_ERRORS = {"QUOTA_EXCEEDED", "RATE_LIMITED"}
# A room that already has a transcription, or an unknown engine: Twilio has no error
# code for either.
ONLY_TWILIO_CAN_FIND = {
    "Mutation.createRoom": {"UPSTREAM_REJECTED"},
    "Mutation.startTranscription": {"UPSTREAM_REJECTED"},
    "Mutation.updateTranscription": {"UPSTREAM_REJECTED"},
}
# Random arguments hardly ever form valid rules, or filters that are all valid.
HARD_TO_GENERATE = {
    "Query.insightsRooms",
    "Query.recordings",
    "Mutation.updateSubscribeRules",
    "Mutation.updateRecordingRules",
}
FIELDS = [
    f"{root.name}.{name}"
    for root in (EXECUTABLE_SCHEMA.query_type, EXECUTABLE_SCHEMA.mutation_type)
    if root is not None
    for name in root.fields
]


# The ids that a field needs. The others need a room and a participant.
USEFUL_IDS = {
    "recording": ("recording",),
    "deleteRecording": ("recording", "deletable"),
    "insightsRoom": ("ended",),
    "startTranscription": ("bare",),
    "updateTranscription": ("room", "ttid"),
    "completeRoom": ("spare", "ended"),
}


@pytest.fixture(scope="module")
async def scene(gateway: Gateway) -> Mapping[str, str]:
    return asdict(await create_flow_scenario(gateway))


@pytest.fixture(scope="module")
async def schema(gateway: Gateway) -> Any:
    return await asyncio.to_thread(
        schemathesis.graphql.from_url, gateway.ready["graphql"], headers=gateway.auth
    )


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(usual, usual, usual, rare)


def register_scalars(scene: Mapping[str, str], field: str) -> None:
    """Random text would never be a SID, and hardly ever valid for all arguments at
    once.
    """
    useful = [
        scene[name] for name in USEFUL_IDS.get(field.partition(".")[2], ("room", "participant"))
    ]
    others = [
        *scene.values(),
        f"{scene['room']}:{scene['participant']}",
        "Ada",
        "cam",
        "RM" + "0" * 32,
    ]
    ids = mostly(st.sampled_from(useful), st.sampled_from(others) | st.text(max_size=140))
    datetimes = st.datetimes(timezones=st.timezones()).map(lambda value: value.isoformat())
    scalar = schemathesis.graphql.scalar
    scalar("ID", ids.map(nodes.String))
    scalar(
        "String",
        mostly(st.sampled_from(["Ada", "cam", "us1", scene["name"]]), st.text(max_size=140)).map(
            nodes.String
        ),
    )
    scalar("Int", mostly(st.integers(1, 100), st.integers(-(2**31), 2**31 - 1)).map(nodes.Int))
    scalar("DateTime", mostly(datetimes, st.text(max_size=40)).map(nodes.String))


def send_examples(gateway: Gateway, schema: Any, field: str, count: int) -> Counter[str]:
    """How often each code was in a response."""
    counts: Counter[str] = Counter()

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema.find_operation_by_label(field).as_strategy())
    def send(case: "schemathesis.Case[Any]") -> None:
        response = case.call(headers=gateway.auth)
        body = response.json()
        # Show nothing else of the response: it may contain a token.
        codes = {error["extensions"]["code"] for error in body.get("errors", ())}
        codes |= {
            error["code"] for error in payload_errors(body.get("data") or {}) if "code" in error
        }
        codes = codes or {"OK"}
        counts.update(codes)
        assert response.status_code < 500, (codes, case.body)
        assert codes <= {"OK"} | CALLER_ERRORS | EXPECTED | LOAD_ERRORS | ONLY_TWILIO_CAN_FIND.get(
            field, set()
        ), (
            codes,
            case.body,
        )
        assert body.keys() <= {"data", "errors", "extensions"}

    send()
    return counts


@pytest.mark.parametrize("field", FIELDS)
async def test_no_request_that_the_schema_allows_causes_an_internal_error(
    gateway: Gateway, scene: Mapping[str, str], schema: Any, field: str
) -> None:
    register_scalars(scene, field)
    counts = await asyncio.to_thread(send_examples, gateway, schema, field, EXAMPLES)
    invalid = {"BAD_USER_INPUT", "INVALID_INPUT"}
    if field not in HARD_TO_GENERATE and not counts.keys() - invalid:
        counts = await asyncio.to_thread(send_examples, gateway, schema, field, MORE_EXAMPLES)
        assert counts.keys() - invalid, "no example passed validation"
