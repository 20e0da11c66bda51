import asyncio
import json
import os
import signal
import stat
from pathlib import Path

import pytest
import typer

from gateway.cli.startup import explain_start_errors, fail, stop_on_signals, write_ready_file
from gateway.core.errors import FailedPrecondition


def test_ready_file_is_private_and_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text("from yesterday")
    write_ready_file(path, graphql="http://127.0.0.1/graphql")
    assert json.loads(path.read_text()) == {
        "graphql": "http://127.0.0.1/graphql",
        "pid": os.getpid(),
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FailedPrecondition("the port is taken: choose another"), "the port is taken"),
        (OSError(98, "Address already in use"), "cannot listen on localhost: Address already"),
    ],
    ids=["gateway error", "OS error"],
)
def test_start_errors_are_printed(
    capsys: pytest.CaptureFixture[str], error: Exception, message: str
) -> None:
    with pytest.raises(typer.Exit) as exit_, explain_start_errors("localhost"):
        raise error
    assert exit_.value.exit_code == 2
    assert message in capsys.readouterr().err


def test_fail_prints_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        fail("cannot read [red]/accounts.json")
    assert "[red]/accounts.json" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_sets_the_stop_event(number: signal.Signals) -> None:
    stop = stop_on_signals()
    loop = asyncio.get_running_loop()
    try:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 30)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
