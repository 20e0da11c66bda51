import asyncio
import os
from pathlib import Path

import pytest

from gateway.app.workers import Workers
from gateway.core.errors import FailedPrecondition
from tests.service.conftest import soon, until


def workers_of(script: str, monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Of shell scripts, with short waits."""
    monkeypatch.setattr(Workers, "STOP_S", 0.1)
    monkeypatch.setattr(Workers, "FIRST_PAUSE_S", 0.001)
    return Workers(("/bin/sh", "-c", script), {})


async def test_a_worker_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()
    stubborn = workers_of(
        f'echo $$ > {tmp_path}/pid; echo "{{}}"; exec tail -f /dev/null', monkeypatch
    )
    await soon(stubborn.run(1, lambda _: stop.set(), stop))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_worker_that_dies_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, starts = asyncio.Event(), tmp_path / "starts"
    short_lived = workers_of(f'echo >> {starts}; echo "{{}}"', monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(short_lived.run(2, lambda _: None, stop))
        await until(lambda: starts.exists() and starts.read_text().count("\n") >= 6)
        stop.set()


async def test_what_all_said_is_told_once_and_only_when_all_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, told = asyncio.Event(), list[dict[str, str]]()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    # The first to come waits for the gate.
    waiting = workers_of(
        f'mkdir {tmp_path}/first && read -r x < {gate}; echo "{{\\"a\\": 1}}"; read -r x',
        monkeypatch,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(waiting.run(2, told.append, stop))
        await until(lambda: (tmp_path / "first").exists())
        assert told == []
        await asyncio.to_thread(gate.write_text, "go\n")
        await until(lambda: bool(told))
        stop.set()
    assert told == [{"a": 1}]


async def test_a_worker_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FailedPrecondition, match="did not start"):
        await soon(workers_of("exit 2", monkeypatch).run(2, lambda _: None, asyncio.Event()))
