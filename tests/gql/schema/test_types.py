"""Output types are views: their fields are core's."""

import inspect
from dataclasses import fields

import pytest

from gateway.core.open_enum import UnknownWord
from gateway.core.rooms import RoomType, VideoCodec
from gateway.gql.schema.rooms import Room
from gateway.gql.schema.schema import schema
from gateway.gql.schema.types import _VIEWS, Node, TwilioResource
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import read_result, room

OWN = {"id", "freshness", "as_of"}
# A token's text is shown by its own name; the media's address is what its view is for.
ALL = [(core, shown) for core, shown in _VIEWS.items()]


@pytest.mark.parametrize(("core", "shown"), ALL, ids=[shown.__name__ for _, shown in ALL])
def test_a_view_has_every_field_of_its_value_and_no_other(core: type, shown: type) -> None:
    plain = {field.name for field in fields(shown) if field.init}  # type: ignore[arg-type]
    assert plain - OWN == {field.name for field in fields(core)}  # type: ignore[arg-type]
    if issubclass(shown, TwilioResource):
        assert {"freshness", "as_of"} <= plain
    assert ("id" in plain) == issubclass(shown, Node)


def test_what_runs_code_fetches() -> None:
    """What is a plain attribute can later be compiled."""
    definitions = [type_.definition for type_ in schema.schema_converter.type_map.values()]
    for definition in definitions:
        if hasattr(definition, "fields") and definition.name not in (
            "Query",
            "Mutation",
            "Subscription",
        ):
            resolvers = [
                field.base_resolver
                for field in definition.fields
                if field.base_resolver is not None
            ]
            assert all(inspect.iscoroutinefunction(resolver.wrapped_func) for resolver in resolvers)


def test_an_unknown_word_is_shown_beside_unknown() -> None:
    word = UnknownWord("type", "group-huge")
    shown = Room.from_result(
        read_result(
            room(type=RoomType.UNKNOWN, video_codecs=(VideoCodec.VP8,), unknown_words=(word,))
        )
    )
    assert (shown.type, shown.video_codecs) == (RoomType.UNKNOWN, [VideoCodec.VP8])
    assert [(word.field, word.word) for word in shown.unknown_words] == [("type", "group-huge")]


async def test_a_connection_has_edges_nodes_and_a_page_info(server: GraphQLServer) -> None:
    told = await server.data(
        "{ rooms { edges { cursor node { sid } } nodes { sid } "
        "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } freshness { isStale } } }"
    )
    assert told["rooms"] == {
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


async def test_a_page_that_was_fetched_as_a_whole_says_how_good_it_is(
    server: GraphQLServer,
) -> None:
    told = await server.data(
        """{ recordings(after: "p0") { asOf freshness { fetchedAt isStale source } nodes { asOf freshness { isStale } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    )
    assert told["recordings"] == {
        "asOf": "c0",
        "freshness": {"fetchedAt": "2026-11-20T12:00:00Z", "isStale": False, "source": "CALLBACKS"},
        "nodes": [{"asOf": "c0", "freshness": {"isStale": False}}],
        "pageInfo": {
            "hasNextPage": True,
            "hasPreviousPage": True,
            "startCursor": "p0",
            "endCursor": "end",
        },
    }


@pytest.mark.parametrize("first", [0, 101])
async def test_a_page_has_up_to_a_hundred_items(server: GraphQLServer, first: int) -> None:
    for query in (
        "query($n: Int!) { rooms(first: $n) { nodes { sid } } }",
        "query($n: Int!) { recordings(first: $n) { nodes { sid } } }",
        'query($n: Int!) { room(ref: "standup") { participants(first: $n) { nodes { sid } } } }',
    ):
        assert "1 to 100" in (await server.error(query, n=first))["message"]
        await server.data(query, n=100)
