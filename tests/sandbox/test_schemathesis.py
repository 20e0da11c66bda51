"""Schemathesis with Twilio's OpenAPI files.

No request may get a 5xx or a response outside the schema.
"""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from gateway.sandbox import Quotas, Sandbox, Timings
from tests.sandbox.conftest import Api
from tests.sandbox.documents import METHODS, OPERATIONS, Operation
from tests.sandbox.scenario import Scenario, create_scenario


@pytest.fixture
async def unlimited_sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox whose quotas are never reached."""
    async with Sandbox(
        quotas=Quotas(1_000_000, 1_000_000), seed=7, timings=Timings(callback_retry_s=0.0)
    ) as sandbox:
        yield sandbox


# JSON inside a form has no schema in the document. Random strings would hardly ever be
# valid.
CONFIGURATIONS = [
    "{}",
    '{"languageCode": "en-US"}',
    '{"partialResults": true, "hints": ["Ada"]}',
    '{"a": []}',
    "{",
]
RULES = [
    '[{"type": "include", "all": true}]',
    (
        '[{"type": "exclude", "kind": "audio", "publisher": "Ada"},'
        ' {"type": "include", "track": "cam"}]'
    ),
    '[{"type": "include", "all": false}]',
]
JSON_TEXTS = {
    "Rules": RULES,
    "RecordingRules": RULES,
    "Configuration": CONFIGURATIONS,
    "TranscriptionsConfiguration": CONFIGURATIONS,
}


def document(operation: Operation, scenario: Scenario) -> dict[str, Any]:
    """Returns Twilio's document with this operation only, and with its path filled in.

    A random SID would always be a 404.
    """
    whole = copy.deepcopy(operation.document)
    item = whole["paths"][operation.path]
    for method in set(METHODS) - {operation.method}:
        item.pop(method, None)
    described = item[operation.method]
    described["parameters"] = [
        parameter for parameter in described.get("parameters", []) if parameter["in"] != "path"
    ]
    for content in described.get("requestBody", {}).get("content", {}).values():
        # The JSON in the examples is already percent-encoded.
        content.pop("examples", None)
        content["schema"]["additionalProperties"] = False
        properties = content["schema"]["properties"]
        properties.update(
            {name: {"enum": texts} for name, texts in JSON_TEXTS.items() if name in properties}
        )
    target = scenario.target(operation.path, is_new=operation.id == "CreateRoomTranscriptions")
    whole["paths"] = {target: item}
    return whole


def send_random_requests(sandbox: Sandbox, operation: Operation, scenario: Scenario) -> set[int]:
    schema = schemathesis.openapi.from_dict(document(operation, scenario))
    [described] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
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
    def send(case: schemathesis.Case[Any]) -> None:
        response = case.call(base_url=sandbox.url, auth=(sandbox.account_sid, sandbox.auth_token))
        statuses.add(response.status_code)
        assert response.status_code < 500, response.text
        case.validate_response(
            response, checks=[content_type_conformance, response_schema_conformance]
        )

    send()
    return statuses


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_no_request_gets_a_5xx_or_a_response_outside_the_schema(
    unlimited_sandbox: Sandbox, operation: Operation
) -> None:
    async with aiohttp.ClientSession() as session:
        scenario = await create_scenario(
            Api(session, unlimited_sandbox.url, unlimited_sandbox.accounts[0])
        )

    statuses = await asyncio.to_thread(send_random_requests, unlimited_sandbox, operation, scenario)

    assert operation.status in statuses
