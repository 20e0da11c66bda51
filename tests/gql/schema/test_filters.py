"""Filters of lists, as arguments."""

from typing import Any

import pytest

from gateway.core.recordings import RecordingFilter, RecordingStatus
from tests.gql.conftest import GraphQLServer

RECORDINGS = "query($filter: RecordingFilter) { recordings(filter: $filter) { totalCount } }"
BOTH = (RecordingStatus.COMPLETED, RecordingStatus.DELETED)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, RecordingFilter()),
        ({}, RecordingFilter()),
        ({"statuses": None, "sourceSid": None}, RecordingFilter()),
        ({"statuses": []}, RecordingFilter()),
        ({"statuses": ["COMPLETED", "DELETED"]}, RecordingFilter(statuses=BOTH)),
    ],
)
async def test_a_filter_becomes_that_of_core(
    server: GraphQLServer, given: dict[str, Any] | None, expected: RecordingFilter
) -> None:
    await server.data(RECORDINGS, filter=given)
    [(_, filters, *_)] = server.account.recordings.calls
    assert filters == expected


async def test_an_error_names_the_field_of_the_filter(server: GraphQLServer) -> None:
    error = await server.error(RECORDINGS, filter={"sourceSid": "nonsense"})
    assert error["message"].startswith("filter.sourceSid ")
