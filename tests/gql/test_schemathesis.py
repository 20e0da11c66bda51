"""Schemathesis with the gateway's own schema: whatever the schema allows, no 5xx, no
internal error, and nothing that only Twilio notices.
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
from tests.flows.scenario import create_flow_scenario
from tests.running import Gateway

EXAMPLES = 30
# What a caller can bring about at a Twilio that is well.
OF_CALLERS = {"BAD_USER_INPUT", "NOT_FOUND", "CONFLICT", "FAILED_PRECONDITION", "CURSOR_EXPIRED"}
OF_THE_CROWD = {"QUOTA_EXCEEDED", "RATE_LIMITED"}
# A room that already has a transcription, and an unknown engine: Twilio has no code of
# its own for either.
ONLY_TWILIO_KNOWS = {
    "Mutation.createRoom": {"UPSTREAM_REJECTED"},
    "Mutation.startTranscription": {"UPSTREAM_REJECTED"},
    "Mutation.updateTranscription": {"UPSTREAM_REJECTED"},
}
# Chance does not find rules that fit, nor filters that all do.
HARD_TO_HIT = {
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


# Most fields look for somebody in a room.
LOOKED_FOR = {
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


def teach_scalars(scene: Mapping[str, str], field: str) -> None:
    """Chance would never find a SID, and hardly ever what all arguments allow at once."""
    looked_for = [
        scene[name] for name in LOOKED_FOR.get(field.partition(".")[2], ("room", "participant"))
    ]
    elsewhere = [
        *scene.values(),
        f"{scene['room']}:{scene['participant']}",
        "Ada",
        "cam",
        "RM" + "0" * 32,
    ]
    ids = mostly(st.sampled_from(looked_for), st.sampled_from(elsewhere) | st.text(max_size=140))
    moments = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
    durations = st.sampled_from(["PT1S", "PT10M", "P1D"])
    scalar = schemathesis.graphql.scalar
    scalar("ID", ids.map(nodes.String))
    scalar(
        "String",
        mostly(st.sampled_from(["Ada", "cam", "us1", scene["name"]]), st.text(max_size=140)).map(
            nodes.String
        ),
    )
    scalar("Int", mostly(st.integers(1, 100), st.integers(-(2**31), 2**31 - 1)).map(nodes.Int))
    scalar("DateTime", mostly(moments, st.text(max_size=40)).map(nodes.String))
    scalar("Duration", mostly(durations, st.from_regex(r"\AP\d*D?T?\d*[HMS]?\Z")).map(nodes.String))


def attack(gateway: Gateway, schema: Any, field: str) -> Counter[str]:
    """What was answered, and how often."""
    answers: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema.find_operation_by_label(field).as_strategy())
    def send(case: schemathesis.Case) -> None:
        response = case.call(headers=gateway.auth)
        body = response.json()
        # Of the answer no more than this is shown: it may hold a token.
        codes = {error["extensions"]["code"] for error in body.get("errors", ())} or {"OK"}
        answers.update(codes)
        assert response.status_code < 500, (codes, case.body)
        assert codes <= {"OK"} | OF_CALLERS | OF_THE_CROWD | ONLY_TWILIO_KNOWS.get(field, set()), (
            codes,
            case.body,
        )
        assert body.keys() <= {"data", "errors", "extensions"}

    send()
    return answers


@pytest.mark.parametrize("field", FIELDS)
async def test_nothing_that_the_schema_allows_breaks_the_gateway(
    gateway: Gateway, scene: Mapping[str, str], schema: Any, field: str
) -> None:
    teach_scalars(scene, field)

    answers = await asyncio.to_thread(attack, gateway, schema, field)

    assert field in HARD_TO_HIT or answers.keys() - {"BAD_USER_INPUT"}, (
        "nothing got beyond the checks of its form"
    )
