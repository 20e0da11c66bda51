"""Runs commands in this process. `tests/flows/test_command_line.py` runs whole
processes."""

from collections.abc import Iterator

import pytest
import structlog
from typer.testing import CliRunner

from gateway.cli.main import cli
from gateway.settings.environment import Settings


@pytest.fixture(autouse=True)
def _restore_logs() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Returns exit status, standard output and standard error."""
    unset = dict.fromkeys((name.upper() for name in Settings.model_fields), None)
    result = CliRunner().invoke(cli, arguments, env=unset | environment)
    return result.exit_code, result.stdout, result.stderr
