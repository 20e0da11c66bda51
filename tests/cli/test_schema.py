from gateway.gql.execution.graphql_core import print_schema
from tests.cli.conftest import run


def test_schema_is_all_that_is_printed() -> None:
    assert run("schema") == (0, print_schema(), "")
