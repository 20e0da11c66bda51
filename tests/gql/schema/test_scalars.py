"""Scalars, read and written."""

from datetime import timedelta

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from gateway.gql.schema.scalars import format_duration, parse_duration
from tests.gql.conftest import GraphQLServer


@pytest.mark.parametrize("word", ["soon", "2026-13-01T00:00:00Z", ""])
async def test_a_moment_is_written_by_iso_8601(server: GraphQLServer, word: str) -> None:
    query = "query($d: DateTime) { rooms(createdAfter: $d) { nodes { sid dateCreated } } }"
    assert (await server.error(query, d=word))["extensions"]["code"] == "BAD_USER_INPUT"
    for moment in ("2026-11-20T12:00:00Z", "2026-11-20T14:00:00.5+02:00"):
        assert (await server.data(query, d=moment))["rooms"]["nodes"][0][
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
def test_a_duration_is_read_by_iso_8601(text: str, seconds: int) -> None:
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
def test_what_is_no_whole_seconds_is_refused(text: object) -> None:
    with pytest.raises(GraphQLError, match="such as PT5M"):
        parse_duration(text)


def test_the_longest_duration_that_can_be_written_can_be_held() -> None:
    assert parse_duration(f"P{'9' * 6}W{'9' * 6}DT{'9' * 9}H{'9' * 9}M{'9' * 9}S")


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_is_written_as_it_is_read(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "PT0S"), (300, "PT5M"), (86_400, "P1D"), (90_061, "P1DT1H1M1S")]
)
def test_a_duration_is_written_in_its_largest_units(seconds: int, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


async def test_a_duration_is_given_as_text_only(server: GraphQLServer) -> None:
    query = 'mutation($ttl: Duration) { mintAccessToken(identity: "ada", ttl: $ttl) { jwt } }'
    await server.data(query, ttl="PT1H")
    await server.data('mutation { mintAccessToken(identity: "ada", ttl: "PT2H") { jwt } }')
    assert [asked[-1] for asked in server.account.tokens.calls] == [3600, 7200]
    error = await server.error(query, ttl=3600)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "such as PT5M" in error["message"]
