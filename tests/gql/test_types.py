"""Output types are views: their fields are core's."""

from dataclasses import fields

import pytest

from gateway.core import rooms
from gateway.gql.schema import schema
from gateway.gql.types import Room
from tests.gql.conftest import Served


def test_a_room_has_every_field_of_twilio_and_where_it_comes_from() -> None:
    own = {"id", "freshness", "as_of"}
    assert {field.name for field in fields(Room)} - own == {field.name for field in fields(rooms.Room)}  # type: ignore[arg-type]


def test_no_leaf_runs_code() -> None:
    """What is a plain attribute can later be compiled."""
    definitions = [type_.definition for type_ in schema.schema_converter.type_map.values()]
    for definition in definitions:
        if hasattr(definition, "fields") and definition.name not in ("Query", "Mutation", "Subscription"):
            assert [field.name for field in definition.fields if field.base_resolver is not None] == []


@pytest.mark.parametrize("word", ["soon", "2026-13-01T00:00:00Z", ""])
async def test_a_moment_is_written_by_iso_8601(served: Served, word: str) -> None:
    query = "query($d: DateTime) { rooms(createdAfter: $d) { nodes { sid dateCreated } } }"
    assert (await served.error(query, d=word))["extensions"]["code"] == "BAD_USER_INPUT"
    for moment in ("2026-11-20T12:00:00Z", "2026-11-20T14:00:00.5+02:00"):
        _, body = await served.post(query, d=moment)
        assert body["data"]["rooms"]["nodes"][0]["dateCreated"] == "2026-11-20T12:00:00Z"
