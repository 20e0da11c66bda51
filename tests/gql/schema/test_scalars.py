"""Scalars, parsed and formatted."""

from datetime import timedelta

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from gateway.gql.schema.scalars import format_duration, parse_duration
from tests.gql.conftest import GraphQLServer


@pytest.mark.parametrize("text", ["soon", "2026-13-01T00:00:00Z", ""])
async def test_a_datetime_is_iso_8601(server: GraphQLServer, text: str) -> None:
    query = "query($d: DateTime) { rooms(createdAfter: $d) { nodes { sid dateCreated } } }"
    assert (await server.error(query, d=text))["extensions"]["code"] == "BAD_USER_INPUT"
    for datetime_ in ("2026-11-20T12:00:00Z", "2026-11-20T14:00:00.5+02:00"):
        assert (await server.data(query, d=datetime_))["rooms"]["nodes"][0][
            "dateCreated"
        ] == "2026-11-20T12:00:00Z"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT5M", 300),
        ("PT90S", 90),
        ("P1D", 86_400),
        ("P1W", 604_800),
        ("P1DT1H1M1S", 90_061),
        ("PT0S", 0),
    ],
)
def test_a_duration_is_parsed_as_iso_8601(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "5M",
        "PT5",
        "P1Y",
        "P1M",
        "PT1.5S",
        "-PT5M",
        "PT-5M",
        "pt5m",
        "PT٥M",
        300,
        None,
    ],
)
def test_a_duration_that_is_not_whole_seconds_is_rejected(text: object) -> None:
    with pytest.raises(GraphQLError, match="such as PT5M"):
        parse_duration(text)


def test_the_longest_duration_fits_a_timedelta() -> None:
    assert parse_duration(f"P{'9' * 6}W{'9' * 6}DT{'9' * 9}H{'9' * 9}M{'9' * 9}S")


@given(st.integers(min_value=0, max_value=10**9))
def test_a_formatted_duration_is_parsed_to_the_same_value(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "PT0S"), (300, "PT5M"), (86_400, "P1D"), (90_061, "P1DT1H1M1S")]
)
def test_a_duration_is_formatted_in_the_largest_units(seconds: int, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


async def test_a_duration_must_be_a_string(server: GraphQLServer) -> None:
    query = 'mutation($ttl: Duration) { mintAccessToken(identity: "ada", ttl: $ttl) { jwt } }'
    await server.data(query, ttl="PT1H")
    await server.data('mutation { mintAccessToken(identity: "ada", ttl: "PT2H") { jwt } }')
    assert [call[-1] for call in server.account.tokens.calls] == [3600, 7200]
    error = await server.error(query, ttl=3600)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "such as PT5M" in error["message"]
