"""The contract: GraphQL, gRPC and Twilio's own helper library, asked the same of the same Twilio, answer the same."""

import ast
import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

import gateway.service
from gateway.twilio.wire.operations import OPERATIONS as REQUESTS
from tests.flows import contract
from tests.flows.operations import ASKED
from tests.flows.scene import PAUSE_S, Scene, set_the_scene
from tests.rpc.client import Clients
from tests.running import Gateway
from tests.sandbox.documents import OPERATIONS

CALLERS = ("graphql", "grpc", "helper")


@pytest.fixture(scope="module")
def helper(gateway: Gateway) -> Client:
    client = Client(gateway.account_sid, gateway.auth_token)
    client.video.base_url = client.insights.base_url = gateway.ready["twilio"]["base_url"]
    return client


@pytest.fixture(scope="module")
async def scenes(gateway: Gateway) -> Mapping[str, Scene]:
    """Equal ones: a scene for each caller to change, and one that stays as it is."""
    return {caller: await set_the_scene(gateway) for caller in (*CALLERS, "all")}


async def helped(call: Callable[[], Any]) -> Any:
    while True:
        try:
            return await asyncio.to_thread(call)
        except TwilioRestException as refused:
            if refused.status != 429:
                raise
            await asyncio.sleep(PAUSE_S)


def test_every_documented_operation_is_asked_for() -> None:
    assert len(OPERATIONS) == 30
    assert ASKED.keys() == OPERATIONS.keys()


@pytest.mark.parametrize(
    "id_", [id_ for id_, operation in OPERATIONS.items() if operation.schema is not None]
)
async def test_three_callers_are_told_the_same(
    gateway: Gateway, clients: Clients, helper: Client, scenes: Mapping[str, Scene], id_: str
) -> None:
    asked, operation = ASKED[id_], OPERATIONS[id_]
    by_graphql, by_grpc, by_helper = (
        scenes[caller if asked.is_write else "all"] for caller in CALLERS
    )

    answers = [
        contract.of_graphql(await gateway.execute(contract.document(asked, by_graphql, operation))),
        contract.of_grpc(await asked.grpc(clients, by_grpc)),
        contract.of_helper(await helped(lambda: asked.helper(helper, by_helper))),
    ]

    graphql, grpc, twilio = (
        [contract.agreed_form(operation, one) for one in answer] for answer in answers
    )
    if asked.is_write:
        graphql, grpc, twilio = (contract.shape(answer) for answer in (graphql, grpc, twilio))
    assert graphql == twilio
    assert grpc == twilio
    told = {name for one in twilio for name, part in one.items() if part is not None}
    assert contract.properties(operation).keys() - told == asked.empty


@pytest.mark.parametrize(
    ("id_", "what"), [("DeleteRoomRecording", "taken"), ("DeleteRecording", "recording")]
)
async def test_three_callers_delete_the_same(
    gateway: Gateway,
    clients: Clients,
    helper: Client,
    scenes: Mapping[str, Scene],
    id_: str,
    what: str,
) -> None:
    asked = ASKED[id_]
    sids = [getattr(scenes[caller], what) for caller in CALLERS]

    [id_of] = (
        await gateway.execute(contract.document(asked, scenes["graphql"], OPERATIONS[id_]))
    ).values()
    await asked.grpc(clients, scenes["grpc"])
    assert await helped(lambda: asked.helper(helper, scenes["helper"]))

    left = [contract.of_helper(await helped(helper.video.v1.recordings(sid).fetch)) for sid in sids]
    graphql, grpc, twilio = (
        [contract.agreed_form(OPERATIONS["FetchRecording"], one) for one in each] for each in left
    )
    assert id_of == sids[0]
    assert twilio[0]["status"] == "DELETED"
    assert contract.shape(graphql) == contract.shape(grpc) == contract.shape(twilio)


@cache
def named_by_the_service() -> frozenset[str]:
    """What the functions of the service name."""
    return frozenset(
        part.attr if isinstance(part, ast.Attribute) else part.id
        for file in Path(next(iter(gateway.service.__path__))).rglob("*.py")
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef)
        for part in ast.walk(function)
        if isinstance(part, ast.Attribute | ast.Name)
    )


@pytest.mark.parametrize("id_", OPERATIONS)
def test_the_service_sends_every_operation(id_: str) -> None:
    assert REQUESTS[id_].__name__ in named_by_the_service()
