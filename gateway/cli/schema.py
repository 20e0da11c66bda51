"""`rooms-gateway schema`."""

import typer

from gateway.gql.execution.graphql_core import print_schema


def schema() -> None:
    """Prints the GraphQL schema."""
    typer.echo(print_schema(), nl=False)
