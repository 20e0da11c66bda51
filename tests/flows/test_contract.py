"""GraphQL, gRPC and Twilio's helper library return the same for the same operation."""

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
from tests.flows.operation_calls import OPERATION_CALLS
from tests.flows.scenario import PAUSE_S, FlowScenario, create_flow_scenario
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
async def scenarios(gateway: Gateway) -> Mapping[str, FlowScenario]:
    """Equal scenarios: one for each kind of caller, and one that no test changes."""
    return {caller: await create_flow_scenario(gateway) for caller in (*CALLERS, "all")}


async def call_helper(call: Callable[[], Any]) -> Any:
    while True:
        try:
            return await asyncio.to_thread(call)
        except TwilioRestException as refused:
            if refused.status != 429:
                raise
            await asyncio.sleep(PAUSE_S)


def test_every_documented_operation_is_covered() -> None:
    assert len(OPERATIONS) == 30
    assert OPERATION_CALLS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize(
    "id_", [id_ for id_, operation in OPERATIONS.items() if operation.schema is not None]
)
async def test_graphql_grpc_and_helper_library_return_the_same(
    gateway: Gateway,
    clients: Clients,
    helper: Client,
    scenarios: Mapping[str, FlowScenario],
    id_: str,
) -> None:
    calls, operation = OPERATION_CALLS[id_], OPERATIONS[id_]
    by_graphql, by_grpc, by_helper = (
        scenarios[caller if calls.is_write else "all"] for caller in CALLERS
    )

    results = [
        contract.from_graphql(
            await gateway.execute(contract.document(calls, by_graphql, operation))
        ),
        contract.from_grpc(await calls.grpc(clients, by_grpc)),
        contract.from_helper(await call_helper(lambda: calls.helper(helper, by_helper))),
    ]

    graphql, grpc, twilio = (
        [contract.normalize(operation, item) for item in result] for result in results
    )
    if calls.is_write:
        graphql, grpc, twilio = (contract.shape(result) for result in (graphql, grpc, twilio))
    assert graphql == twilio
    assert grpc == twilio
    present = {name for item in twilio for name, part in item.items() if part is not None}
    assert contract.properties(operation).keys() - present == calls.empty


@pytest.mark.parametrize(
    ("id_", "field"), [("DeleteRoomRecording", "deletable"), ("DeleteRecording", "recording")]
)
async def test_graphql_grpc_and_helper_library_delete_the_same(
    gateway: Gateway,
    clients: Clients,
    helper: Client,
    scenarios: Mapping[str, FlowScenario],
    id_: str,
    field: str,
) -> None:
    calls = OPERATION_CALLS[id_]
    sids = [getattr(scenarios[caller], field) for caller in CALLERS]

    [deleted_id] = (
        await gateway.execute(contract.document(calls, scenarios["graphql"], OPERATIONS[id_]))
    ).values()
    await calls.grpc(clients, scenarios["grpc"])
    assert await call_helper(lambda: calls.helper(helper, scenarios["helper"]))

    remaining = [
        contract.from_helper(await call_helper(helper.video.v1.recordings(sid).fetch))
        for sid in sids
    ]
    graphql, grpc, twilio = (
        [contract.normalize(OPERATIONS["FetchRecording"], item) for item in remaining_item]
        for remaining_item in remaining
    )
    assert deleted_id == {"deletedRecordingId": sids[0]}
    assert twilio[0]["status"] == "DELETED"
    assert contract.shape(graphql) == contract.shape(grpc) == contract.shape(twilio)


@cache
def names_used_by_the_service() -> frozenset[str]:
    """Returns every name that a function of the service uses."""
    return frozenset(
        part.attr if isinstance(part, ast.Attribute) else part.id
        for file in Path(next(iter(gateway.service.__path__))).rglob("*.py")
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef)
        for part in ast.walk(function)
        if isinstance(part, ast.Attribute | ast.Name)
    )


@pytest.mark.parametrize("id_", OPERATIONS)
def test_service_uses_every_operation(id_: str) -> None:
    assert REQUESTS[id_].__name__ in names_used_by_the_service()
