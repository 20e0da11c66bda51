import asyncio
import os
from pathlib import Path

import pytest

from gateway.app.workers import Workers, WorkerTimings
from gateway.core.errors import FailedPrecondition
from tests.service.conftest import in_time, wait_until


def workers_of(script: str) -> Workers:
    """Workers that run a shell script, with short waits."""
    timings = WorkerTimings(stop_s=0.1, first_pause_s=0.001)
    return Workers(("/bin/sh", "-c", script), {}, timings)


async def test_a_worker_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stubborn = workers_of(f'echo $$ > {tmp_path}/pid; echo "{{}}"; exec tail -f /dev/null')
    await in_time(stubborn.run(1, lambda _: stop.set(), stop))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_worker_that_dies_is_restarted(tmp_path: Path) -> None:
    stop, starts = asyncio.Event(), tmp_path / "starts"
    short_lived = workers_of(f'echo >> {starts}; echo "{{}}"')
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(short_lived.run(2, lambda _: None, stop))
        await wait_until(lambda: starts.exists() and starts.read_text().count("\n") >= 6)
        stop.set()


async def test_on_ready_is_called_once_when_all_workers_answer(tmp_path: Path) -> None:
    stop, announced = asyncio.Event(), list[dict[str, int]]()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    # One of the two workers makes the directory and then waits for the gate.
    waiting = workers_of(
        f'mkdir {tmp_path}/first && read -r x < {gate}; echo "{{\\"a\\": 1}}"; read -r x'
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(waiting.run(2, announced.append, stop))
        await wait_until(lambda: (tmp_path / "first").exists())
        assert announced == []
        await asyncio.to_thread(gate.write_text, "go\n")
        await wait_until(lambda: bool(announced))
        stop.set()
    assert announced == [{"a": 1}]


async def test_a_worker_that_never_answers_is_an_error() -> None:
    with pytest.raises(FailedPrecondition, match="could not start"):
        await in_time(workers_of("exit 2").run(2, lambda _: None, asyncio.Event()))
