"""One real valkey-server for the whole session, emptied before each test that uses it."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import settings

from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer
from tests.running import Gateway, running

# How long an example takes depends on what else the machine does; what it shows does not.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")

FIGURE = "figure"


Figure = Callable[[str, str, int | None], None]
"""Tells what a long proof has found: what was tried, the figures, the seed."""


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Shown at once, and again with those of all others when everything is over. Tell it before it is judged."""

    def tell(what: str, found: str, seed: int | None) -> None:
        print(f"\n{what}: {found}")
        record_property(FIGURE, f"| {what} | {found} | {'' if seed is None else seed} |")

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The rows of the README's table, also of proofs that failed."""
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
        for row, failed in sorted(rows):
            terminalreporter.write_line(row + failed)


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
    """The address of an empty server."""
    return shared_connections[0]


@pytest.fixture(scope="session")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """`rooms-gateway dev` in a process of its own, one for the whole session; tests keep apart by the names they invent."""
    environment = os.environ | {
        "GATEWAY_DOCUMENTS": str(Path(__file__).parent.parent / "schema/operations")
    }
    async with running(tmp_path_factory.mktemp("gateway"), environment=environment) as gateway:
        yield gateway
