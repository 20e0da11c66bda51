"""Every answer against Twilio's OpenAPI files: the 26 operations on rooms and recordings, and the 4 of Insights."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.conftest import Api
from tests.sandbox.documents import OPERATIONS, Operation, check
from tests.sandbox.stage import Stage, set_up

# The bodies of the operations that need one, or more of one than nothing.
FORMS: dict[str, dict[str, str]] = {
    "CreateRoom": {"StatusCallback": "http://127.0.0.1:9/cb", "StatusCallbackMethod": "GET"},
    "UpdateRoom": {"Status": "completed"},
    "UpdateRoomParticipant": {"Status": "disconnected"},
    "UpdateRoomParticipantSubscribeRule": {"Rules": '[{"type": "exclude", "kind": "data"}]'},
    "UpdateRoomRecordingRule": {"Rules": '[{"type": "include", "kind": "audio"}]'},
    "UpdateRoomTranscriptions": {"Status": "stopped", "Configuration": '{"partialResults": true}'},
    "CreateRoomTranscriptions": {"Configuration": '{"languageCode": "de-DE"}'},
}


def test_there_are_30_operations() -> None:
    assert len(OPERATIONS) == 30
    assert set(FORMS) <= set(OPERATIONS)


def links(value: Any) -> Iterator[frozenset[str]]:
    """The names in each `links`: the schema does not tell them, the examples do."""
    if isinstance(value, dict):
        if value.get("links"):
            yield frozenset(value["links"])
        for inner in value.values():
            yield from links(inner)
    for item in value if isinstance(value, list) else ():
        yield from links(item)


async def answer(api: Api, stage: Stage, operation: Operation) -> Any:
    """The body of the documented answer."""
    form = FORMS.get(operation.id, {})
    target = stage.target(operation.path, is_new=operation.id == "CreateRoomTranscriptions")
    reply = await api.raw(operation.method.upper(), target, data=form)
    assert reply.status == operation.status, reply.body
    return reply.body


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_every_answer_fits_twilios_document_and_its_examples(
    api: Api, operation: Operation
) -> None:
    body = await answer(api, await set_up(api), operation)

    if operation.schema is None:
        assert body is None
        return
    check(operation, body, operation.schema, operation.path)
    assert {*links(body)} <= {*links(list(operation.examples))} or not [
        *links(list(operation.examples))
    ]
    if "meta" in body:
        assert body[body["meta"]["key"]], "the list must have something in it to be checked"
