"""Fixtures for all tests: a valkey-server, a running gateway and the results table.

The valkey-server runs for the whole session and is emptied before each test that uses
it.
"""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import settings

from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer
from tests.running import Gateway, running

# The duration of an example depends on what else the machine does.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")

FIGURE = "figure"


Figure = Callable[[str, str, int | None], None]
"""Reports a measured result: what was measured, the figures, and the random seed."""


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Prints a row of the results table, now and again in the summary of the session.

    Call it before the assertions, so that a failed test reports its figures too.
    """

    def report(subject: str, result: str, seed: int | None) -> None:
        print(f"\n{subject}: {result}")
        record_property(FIGURE, f"| {subject} | {result} | {'' if seed is None else seed} |")

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the results table, including the rows of failed tests."""
    rows = [
        (row, "" if report.passed else "  <- FAILED")
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, row in report.user_properties
        if name == FIGURE
    ]
    if rows:
        terminalreporter.section("figures")
        for row, outcome in sorted(rows):
            terminalreporter.write_line(f"{row}{outcome}")


@pytest.fixture(scope="session")
async def shared_connections() -> AsyncIterator[tuple[str, Connections]]:
    async with EmbeddedServer() as server:
        connections = Connections(server.url)
        yield server.url, connections
        await connections.aclose()


@pytest.fixture
async def connections(shared_connections: tuple[str, Connections]) -> Connections:
    """Connections to an empty server."""
    _, connections = shared_connections
    await connections.commands.flushall()
    return connections


@pytest.fixture
async def redis_url(shared_connections: tuple[str, Connections], connections: Connections) -> str:
    """The URL of an empty server."""
    return shared_connections[0]


@pytest.fixture(scope="session")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """`rooms-gateway dev` in its own process, one for the whole session.

    Tests use random room names, so that they do not interfere with each other.
    """
    environment = os.environ | {
        "GATEWAY_PERSISTED_QUERIES": "true",
        "GATEWAY_DOCUMENTS": str(Path(__file__).parent.parent / "schema/operations"),
    }
    async with running(tmp_path_factory.mktemp("gateway"), environment=environment) as gateway:
        yield gateway
