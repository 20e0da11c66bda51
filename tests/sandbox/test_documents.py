"""Every response must match Twilio's OpenAPI files.

There are 26 operations on rooms and recordings, and 4 of Insights.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.conftest import Api
from tests.sandbox.documents import OPERATIONS, Operation, check
from tests.sandbox.scenario import Scenario, create_scenario

# The forms of the operations that need parameters, or that test more with them.
FORMS: dict[str, dict[str, str]] = {
    "CreateRoom": {"StatusCallback": "http://127.0.0.1:9/cb", "StatusCallbackMethod": "GET"},
    "UpdateRoom": {"Status": "completed"},
    "UpdateRoomParticipant": {"Status": "disconnected"},
    "UpdateRoomParticipantSubscribeRule": {"Rules": '[{"type": "exclude", "kind": "data"}]'},
    "UpdateRoomRecordingRule": {"Rules": '[{"type": "include", "kind": "audio"}]'},
    "UpdateRoomTranscriptions": {"Status": "stopped", "Configuration": '{"partialResults": true}'},
    "CreateRoomTranscriptions": {"Configuration": '{"languageCode": "de-DE"}'},
}


def test_there_are_30_documented_operations() -> None:
    assert len(OPERATIONS) == 30
    assert set(FORMS) <= set(OPERATIONS)


def links(value: Any) -> Iterator[frozenset[str]]:
    """Yields the names in each `links`. Only the examples have them, not the schema."""
    if isinstance(value, dict):
        if value.get("links"):
            yield frozenset(value["links"])
        for inner in value.values():
            yield from links(inner)
    for item in value if isinstance(value, list) else ():
        yield from links(item)


async def response_body(api: Api, scenario: Scenario, operation: Operation) -> Any:
    """Sends the request and returns the body of the documented response."""
    form = FORMS.get(operation.id, {})
    target = scenario.target(operation.path, is_new=operation.id == "CreateRoomTranscriptions")
    reply = await api.raw(operation.method.upper(), target, data=form)
    assert reply.status == operation.status, reply.body
    return reply.body


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_every_response_matches_twilios_schema_and_examples(
    api: Api, operation: Operation
) -> None:
    body = await response_body(api, await create_scenario(api), operation)

    if operation.schema is None:
        assert body is None
        return
    check(operation, body, operation.schema, operation.path)
    assert {*links(body)} <= {*links(list(operation.examples))} or not [
        *links(list(operation.examples))
    ]
    if "meta" in body:
        assert body[body["meta"]["key"]], "an empty list tests nothing"
