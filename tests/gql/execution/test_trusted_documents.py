"""Trusted documents: run by their hash, with responses that a client can cache."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.callers import Caller
from gateway.core.errors import FailedPrecondition, InvalidArgument
from gateway.core.rooms import RoomRef
from gateway.core.sids import RoomSid
from gateway.gql.execution.trusted_documents import TrustedDocuments
from gateway.service.call_context import limit_max_age
from tests.gql.conftest import GraphQLServer, run_server
from tests.gql.fakes import TIMEOUT_S, Rooms

ROOM = "query Room($ref: RoomRef!) { room(ref: $ref) { sid uniqueName } }\n"
CREATE = "mutation { createRoom(input: {}) { room { sid } } }"


def id_of(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def persisted(text: str) -> dict[str, Any]:
    """The extensions that Apollo's clients send for a document."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"persistedQuery": {"version": 1, "sha256Hash": digest}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("room", ROOM), ("create", CREATE)):
        (tmp_path / f"{name}.graphql").write_text(text)
    (tmp_path / "notes.txt").write_text("no document")
    return tmp_path


class FreshRooms(Rooms):
    """Rooms that are fresh for `fresh_s` seconds; None for an unknown time."""

    fresh_s: float | None = 4.9

    async def room(self, caller: Caller, ref: RoomRef) -> Any:
        if self.fresh_s is not None:
            limit_max_age(self.fresh_s)
        return await super().room(caller, ref)


@pytest.fixture
async def trusting(folder: Path) -> AsyncIterator[GraphQLServer]:
    async with run_server(trusted=TrustedDocuments.from_folder(folder)) as server:
        server.account.rooms = FreshRooms()
        yield server


async def get(
    server: GraphQLServer,
    text: str = ROOM,
    headers: dict[str, str] | None = None,
    **parameters: str,
) -> Any:
    variables = json.dumps({"ref": {"uniqueName": "standup"}})
    parameters = {"documentId": id_of(text), "variables": variables, **parameters}
    headers = server.auth | (headers or {})
    async with server.client.get(server.url, params=parameters, headers=headers) as response:
        return response.status, response.headers, await response.read()


async def test_a_trusted_document_runs_by_its_id(trusting: GraphQLServer) -> None:
    status, _, body = await get(trusting)
    assert (status, json.loads(body)["data"]["room"]["uniqueName"]) == (200, "standup")


@pytest.mark.parametrize(
    "document",
    [
        {"documentId": id_of(ROOM)},
        {
            "extensions": {
                "persistedQuery": {
                    "version": 1,
                    "sha256Hash": id_of(ROOM).removeprefix("sha256:").upper(),
                }
            }
        },
    ],
    ids=["documentId", "persistedQuery"],
)
async def test_the_id_may_be_sent_in_two_ways_and_by_post(
    trusting: GraphQLServer, document: dict[str, Any]
) -> None:
    body = {"variables": {"ref": {"uniqueName": "standup"}}, **document}
    async with trusting.client.post(trusting.url, json=body, headers=trusting.auth) as response:
        assert (await response.json())["data"]["room"]["uniqueName"] == "standup"
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("fresh_s", "cache_control"),
    [
        (4.9, "private, max-age=4"),
        (0.9, "private, no-cache"),
        (0, "private, no-cache"),
        (None, "private, no-cache"),
    ],
)
async def test_the_response_to_a_get_has_the_max_age_of_its_data(
    trusting: GraphQLServer, fresh_s: float | None, cache_control: str
) -> None:
    trusting.account.rooms.fresh_s = fresh_s  # type: ignore[attr-defined]
    _, headers, _ = await get(trusting)
    assert headers["Cache-Control"] == cache_control
    assert {name.strip() for name in headers["Vary"].split(",")} == {
        "Origin",
        "Authorization",
        "X-API-Key",
        "Accept",
    }


async def test_an_unchanged_response_is_not_sent_again(trusting: GraphQLServer) -> None:
    _, headers, _ = await get(trusting)
    etag = headers["ETag"]
    for if_none_match in (etag, f'"other", {etag}', "*"):
        status, again, body = await get(trusting, headers={"If-None-Match": if_none_match})
        assert (status, body, again["ETag"], again["Cache-Control"]) == (
            304,
            b"",
            etag,
            headers["Cache-Control"],
        )
    trusting.account.rooms.stored[0] = replace(
        trusting.account.rooms.stored[0], sid=RoomSid("RM" + "9" * 32)
    )
    status, changed, _ = await get(trusting, headers={"If-None-Match": etag})
    assert (status, changed["ETag"] != etag) == (200, True)


async def test_other_responses_and_errors_cannot_be_cached(trusting: GraphQLServer) -> None:
    parameters = {"query": ROOM, "variables": json.dumps({"ref": {"uniqueName": "standup"}})}
    async with trusting.client.get(
        trusting.url, params=parameters, headers=trusting.auth
    ) as response:
        assert (response.headers["Cache-Control"], response.headers.get("ETag")) == (
            "no-store",
            None,
        )
    trusting.account.rooms.error = InvalidArgument("no")
    _, headers, _ = await get(trusting)
    assert (headers["Cache-Control"], headers.get("ETag")) == ("no-store", None)


async def test_a_trusted_mutation_by_get_is_rejected(trusting: GraphQLServer) -> None:
    status, headers, _ = await get(trusting, CREATE, variables="{}")
    assert (status, headers["Allow"]) == (405, "POST")


async def test_a_trusted_document_needs_a_credential(trusting: GraphQLServer) -> None:
    async with trusting.client.get(trusting.url, params={"documentId": id_of(ROOM)}) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    "parameters",
    [
        {"documentId": id_of("another")},
        {"documentId": ""},
        {"documentId": id_of(ROOM), "query": ROOM},
        {"extensions": '{"persistedQuery": {"version": 1}}'},
    ],
    ids=["unknown", "empty", "both", "no hash"],
)
async def test_an_invalid_id_is_rejected(
    trusting: GraphQLServer, parameters: dict[str, str]
) -> None:
    headers = trusting.auth | {"Accept": "application/graphql-response+json"}
    async with trusting.client.get(trusting.url, params=parameters, headers=headers) as response:
        assert response.status == 400
        body = await response.json(content_type=None)
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("is_trusting", "code", "message"),
    [
        (True, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"),
        (False, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"),
    ],
)
async def test_an_unknown_digest_gets_the_error_for_which_clients_send_the_document(
    folder: Path, is_trusting: bool, code: str, message: str
) -> None:
    """urql looks for the message, and Apollo Client for the code."""
    trusted = TrustedDocuments.from_folder(folder) if is_trusting else TrustedDocuments()
    body = {"extensions": persisted("{ __typename }"), "variables": {}}
    async with run_server(trusted=trusted) as server:
        for by_get in (False, True):
            if by_get:
                params = {"extensions": json.dumps(body["extensions"]), "query": ""}
                request = server.client.get(server.url, params=params, headers=server.auth)
            else:
                request = server.client.post(server.url, json=body, headers=server.auth)
            async with request as response:
                assert response.status == 200, "the client reads the response as JSON"
                [error] = (await response.json())["errors"]
            assert (error["message"], error["extensions"]["code"]) == (message, code)
        async with server.socket() as socket:
            await socket.send_json({"type": "subscribe", "id": "1", "payload": body})
            [error] = (await socket.receive_json(timeout=TIMEOUT_S))["payload"]
            assert error["extensions"]["code"] == code


@pytest.mark.parametrize(
    "persisted_query",
    [
        {"version": 2, "sha256Hash": "0" * 64},
        {"sha256Hash": "0" * 64},
        {"version": 1},
        {"version": 1, "sha256Hash": 1},
        {"version": 1, "sha256Hash": "0" * 63},
        {"version": 1, "sha256Hash": "0" * 64},  # of another document
        "x",
    ],
    ids=str,
)
async def test_a_wrong_persisted_query_is_rejected(
    trusting: GraphQLServer, persisted_query: object
) -> None:
    body = {"query": "{ __typename }", "extensions": {"persistedQuery": persisted_query}}
    async with trusting.client.post(trusting.url, json=body, headers=trusting.auth) as response:
        [error] = (await response.json())["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "persistedQuery" in error["message"]


async def test_a_document_that_is_sent_with_its_hash_is_run(
    trusting: GraphQLServer,
) -> None:
    body = {
        "query": "{ __typename }",
        "extensions": persisted("{ __typename }"),
    }
    async with trusting.client.post(trusting.url, json=body, headers=trusting.auth) as response:
        assert (await response.json())["data"] == {"__typename": "Query"}


def test_a_document_is_found_by_its_id(folder: Path) -> None:
    trusted = TrustedDocuments.from_folder(folder)
    assert trusted.text(id_of(ROOM)) == ROOM
    with pytest.raises(InvalidArgument, match="send the document itself"):
        trusted.text(id_of("no document"))


def test_without_a_folder_no_document_is_trusted() -> None:
    with pytest.raises(InvalidArgument):
        TrustedDocuments.from_folder(None).text(id_of(ROOM))


@pytest.mark.parametrize(
    "content", [None, b"\xff", b"{ nothing }"], ids=["none", "not UTF-8", "of another schema"]
)
async def test_an_unusable_folder_fails_the_start(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.graphql").write_bytes(content)
    with pytest.raises(FailedPrecondition, match="GATEWAY_DOCUMENTS"):
        async with run_server(trusted=TrustedDocuments.from_folder(tmp_path)):
            pass


async def test_the_published_operations_can_be_trusted() -> None:
    async with run_server(
        trusted=TrustedDocuments.from_folder(Path(__file__).parents[3] / "schema/operations")
    ):
        pass
