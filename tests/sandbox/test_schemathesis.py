"""Schemathesis with Twilio's OpenAPI files: whatever it sends, no 5xx and no answer outside the schema."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from gateway.sandbox import Quotas, Sandbox
from tests.sandbox.conftest import Api
from tests.sandbox.documents import METHODS, OPERATIONS, Operation
from tests.sandbox.stage import Stage, set_up


@pytest.fixture
async def tireless() -> AsyncIterator[Sandbox]:
    """A sandbox whose quotas nobody reaches."""
    async with Sandbox(
        quotas=Quotas(1_000_000, 1_000_000), callback_spacing_s=0.0, seed=7
    ) as running:
        yield running


# JSON inside a form has no schema in the document, so that chance would hardly ever find what is valid.
CONFIGURATIONS = [
    "{}",
    '{"languageCode": "en-US"}',
    '{"partialResults": true, "hints": ["Ada"]}',
    '{"a": []}',
    "{",
]
RULES = [
    '[{"type": "include", "all": true}]',
    '[{"type": "exclude", "kind": "audio", "publisher": "Ada"}, {"type": "include", "track": "cam"}]',
    '[{"type": "include", "all": false}]',
]
JSON_TEXTS = {
    "Rules": RULES,
    "RecordingRules": RULES,
    "Configuration": CONFIGURATIONS,
    "TranscriptionsConfiguration": CONFIGURATIONS,
}


def document(operation: Operation, stage: Stage) -> dict[str, Any]:
    """Twilio's, with this operation alone, and its path filled in: a made-up SID would only ever be a 404."""
    whole = copy.deepcopy(operation.document)
    item = whole["paths"][operation.path]
    for method in set(METHODS) - {operation.method}:
        item.pop(method, None)
    described = item[operation.method]
    described["parameters"] = [
        each for each in described.get("parameters", []) if each["in"] != "path"
    ]
    for content in described.get("requestBody", {}).get("content", {}).values():
        # The examples hold JSON that is percent-encoded already: sent as they are, they would be encoded twice.
        content.pop("examples", None)
        content["schema"]["additionalProperties"] = False
        known = content["schema"]["properties"]
        known.update({name: {"enum": JSON_TEXTS[name]} for name in JSON_TEXTS if name in known})
    target = stage.target(operation.path, is_new=operation.id == "CreateRoomTranscriptions")
    whole["paths"] = {target: item}
    return whole


def attack(sandbox: Sandbox, operation: Operation, stage: Stage) -> set[int]:
    [described] = [
        found.ok()
        for found in schemathesis.openapi.from_dict(document(operation, stage)).get_all_operations()
    ]
    statuses = set()

    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy())
    def send(case: schemathesis.Case) -> None:
        response = case.call(base_url=sandbox.url, auth=(sandbox.account_sid, sandbox.auth_token))
        statuses.add(response.status_code)
        assert response.status_code < 500, response.text
        case.validate_response(
            response, checks=[content_type_conformance, response_schema_conformance]
        )

    send()
    return statuses


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_no_request_gets_a_5xx_or_an_answer_outside_the_schema(
    tireless: Sandbox, operation: Operation
) -> None:
    async with aiohttp.ClientSession() as session:
        stage = await set_up(Api(session, tireless.url, tireless.accounts[0]))

    statuses = await asyncio.to_thread(attack, tireless, operation, stage)

    assert operation.status in statuses
