"""The command line."""

import typer

from gateway.app import process_memory
from gateway.cli.dev import dev
from gateway.cli.keys import keys
from gateway.cli.sandbox import sandbox
from gateway.cli.schema import schema
from gateway.cli.serve import serve

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Rooms Gateway: GraphQL and gRPC in front of Twilio Video Rooms.",
)
for command in (dev, serve, sandbox, schema):
    cli.command()(command)
cli.add_typer(keys, name="keys")


def main() -> None:
    process_memory.shorten_collections()
    cli()
