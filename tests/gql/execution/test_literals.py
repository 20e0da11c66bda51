import pytest
from graphql import parse, validate

from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.execution.literals import NamedValuesRule
from tests.gql.conftest import GraphQLServer

DATE_TIME = "DateTime must be ISO 8601 with an offset, such as 2026-11-20T12:00:00Z"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            '{ rooms(filter: {createdAfter: "junk"}) { asOf } }',
            f"Argument 'filter' has invalid value at .createdAfter: {DATE_TIME}",
        ),
        (
            '{ rooms(first: "x") { asOf } }',
            "Argument 'first' has invalid value: Int cannot represent non-integer value: \"x\"",
        ),
        (
            "{ rooms(filter: {statuses: [COMPLETED, OPEN]}) { asOf } }",
            (
                "Argument 'filter' has invalid value at .statuses[1]: Value 'OPEN' does not exist "
                "in 'RoomStatusInput' enum."
            ),
        ),
        (
            'query($d: DateTime = "junk") { rooms(filter: {createdAfter: $d}) { asOf } }',
            f"The default of variable '$d' has invalid value: {DATE_TIME}",
        ),
        (
            "{ rooms @skip(if: 1) { asOf } }",
            "Argument 'if' has invalid value: Boolean cannot represent a non boolean value: 1",
        ),
    ],
)
def test_wrong_literal_is_reported_once_with_its_argument_and_its_place(
    document: str, message: str
) -> None:
    [error] = validate(EXECUTABLE_SCHEMA, parse(document), [NamedValuesRule])
    assert error.message == message
    assert error.locations


@pytest.mark.parametrize(
    "document",
    [
        '{ rooms(filter: {createdAfter: "2026-11-20T12:00:00Z"}, first: null) { asOf } }',
        "query($d: DateTime, $n: Int = 5) { rooms(first: $n, filter: {createdAfter: $d}) { asOf }}",
        "{ rooms(unknown: 5) { unknown(first: true) } }",
        "query($u: Unknown = 5) { rooms { asOf } }",
    ],
)
def test_right_values_variables_and_unknown_arguments_are_not_reported(document: str) -> None:
    assert validate(EXECUTABLE_SCHEMA, parse(document), [NamedValuesRule]) == []


async def test_wrong_time_in_a_document_or_in_variables_names_where_it_is(
    server: GraphQLServer,
) -> None:
    error = await server.error('{ rooms(filter: {createdAfter: "junk"}) { asOf } }')
    assert error["message"] == f"Argument 'filter' has invalid value at .createdAfter: {DATE_TIME}"
    assert error["locations"] == [{"line": 1, "column": 17}]
    error = await server.error(
        "query($f: RoomFilter) { rooms(filter: $f) { asOf } }", f={"createdAfter": "junk"}
    )
    assert error["message"] == f"Variable '$f' has invalid value at .createdAfter: {DATE_TIME}"
    assert error["locations"]
