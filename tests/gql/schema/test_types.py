"""Output types are views of core values."""

import inspect
from dataclasses import fields

import pytest
from strawberry.types.base import StrawberryObjectDefinition, has_object_definition

from gateway.core.callers import Caller, Scope
from gateway.core.open_enum import HttpMethod, UnknownWord
from gateway.core.rooms import VideoCodec
from gateway.gql.schema.rooms import Room, RoomTwilioDetails
from gateway.gql.schema.schema import schema
from gateway.gql.schema.types import _VIEWS, Node, ResourceView, twilio_details
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import ACCOUNT, read_result, room

OWN_FIELDS = {"id", "freshness", "as_of"}
ALL = list(_VIEWS.items())


@pytest.mark.parametrize(("core", "view"), ALL, ids=[view.__name__ for _, view in ALL])
def test_a_view_has_exactly_the_fields_of_its_core_type(core: type, view: type) -> None:
    init_fields = {field.name for field in fields(view) if field.init}
    assert init_fields - OWN_FIELDS == {field.name for field in fields(core)}
    if issubclass(view, ResourceView):
        assert {"freshness", "as_of"} <= init_fields
    assert ("id" in init_fields) == issubclass(view, Node)


def test_every_resolver_fetches_or_returns_an_object() -> None:
    """Leaf fields are plain attributes, so that an operation can be compiled."""
    definitions = [type_.definition for type_ in schema.schema_converter.type_map.values()]
    for definition in definitions:
        if isinstance(definition, StrawberryObjectDefinition) and definition.name not in (
            "Query",
            "Mutation",
            "Subscription",
        ):
            for field in definition.fields:
                if field.base_resolver is not None:
                    is_fetched = inspect.iscoroutinefunction(field.base_resolver.wrapped_func)
                    assert is_fetched != field.metadata.get("is_derived", False)
                    assert is_fetched or has_object_definition(field.type)


def test_an_unknown_word_of_twilio_is_listed() -> None:
    word = UnknownWord("video_codecs[1]", "AV1")
    view = Room.from_result(
        read_result(room(video_codecs=(VideoCodec.VP8, VideoCodec.UNKNOWN), unknown_words=(word,)))
    )
    assert view.video_codecs == [VideoCodec.VP8, VideoCodec.UNKNOWN]
    assert [(word.field, word.word) for word in view.unknown_words] == [("videoCodecs[1]", "AV1")]


async def test_a_connection_has_edges_nodes_and_page_info(server: GraphQLServer) -> None:
    data = await server.data(
        "{ rooms { edges { cursor node { sid } } nodes { sid } "
        "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } freshness { isStale } } }"
    )
    assert data["rooms"] == {
        "edges": [{"cursor": "p0", "node": {"sid": room().sid}}],
        "nodes": [{"sid": room().sid}],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": "p0",
            "endCursor": None,
        },
        "freshness": {"isStale": False},
    }


async def test_a_page_and_its_nodes_have_the_same_freshness(
    server: GraphQLServer,
) -> None:
    data = await server.data(
        """{ recordings(after: "p0") { asOf freshness { fetchTime isStale source } nodes {
            asOf freshness { isStale } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    )
    assert data["recordings"] == {
        "asOf": "c0",
        "freshness": {"fetchTime": "2026-11-20T12:00:00Z", "isStale": False, "source": "CALLBACKS"},
        "nodes": [{"asOf": "c0", "freshness": {"isStale": False}}],
        "pageInfo": {
            "hasNextPage": True,
            "hasPreviousPage": True,
            "startCursor": "p0",
            "endCursor": "end",
        },
    }


@pytest.mark.parametrize("first", [0, 101])
async def test_a_page_size_outside_1_to_100_is_rejected(server: GraphQLServer, first: int) -> None:
    for query in (
        "query($n: Int!) { rooms(first: $n) { nodes { sid } } }",
        "query($n: Int!) { recordings(first: $n) { nodes { sid } } }",
        """query($n: Int!) { room(ref: {uniqueName: "standup"}) { participants(first: $n) { nodes
            { sid } } } }""",
    ):
        assert "1 to 100" in (await server.error(query, n=first))["message"]
        await server.data(query, n=100)


@pytest.mark.parametrize(
    ("scope", "address"), [(Scope.ADMIN, "https://gateway/#secret"), (Scope.ROOMS_READ, None)]
)
def test_only_an_admin_sees_the_address_of_callbacks(scope: Scope, address: str | None) -> None:
    view = Room.from_result(
        read_result(
            room(
                url="https://twilio/room",
                status_callback="https://gateway/#secret",
                status_callback_method=HttpMethod.POST,
            )
        )
    )
    caller = Caller(ACCOUNT, "test", frozenset({scope}))
    assert twilio_details(RoomTwilioDetails, view, caller) == RoomTwilioDetails(
        url="https://twilio/room",
        links=None,
        status_callback=address,
        status_callback_method=HttpMethod.POST,
    )
