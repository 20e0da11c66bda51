"""Scalars, parsed and formatted."""

import pytest

from tests.gql.conftest import GraphQLServer


@pytest.mark.parametrize("text", ["soon", "2026-13-01T00:00:00Z", ""])
async def test_a_datetime_is_iso_8601(server: GraphQLServer, text: str) -> None:
    query = "query($d: DateTime) { rooms(filter: {createdAfter: $d}) { nodes { sid createTime } } }"
    assert (await server.error(query, d=text))["extensions"]["code"] == "BAD_USER_INPUT"
    for datetime_ in ("2026-11-20T12:00:00Z", "2026-11-20T14:00:00.5+02:00"):
        assert (await server.data(query, d=datetime_))["rooms"]["nodes"][0][
            "createTime"
        ] == "2026-11-20T12:00:00Z"
