"""Runs several processes of the gateway on the same ports."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.core.errors import FailedPrecondition

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkerTimings:
    """How workers are stopped and restarted, in seconds.

    The pause before a restart doubles from `first_pause_s` to `longest_pause_s` while
    workers die early. It starts again at `first_pause_s` after a worker that ran for
    `steady_s`.
    """

    stop_s: float = 10.0
    """A worker that does not stop within this time is killed."""
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0
    steady_s: float = 30.0


class Workers:
    """Processes of one command. Each is a replica of its own on the same ports.

    A worker prints one line of JSON to its standard output once it answers. It stops
    when its standard input closes, so it never outlives its parent, however the parent
    ends. Workers are new processes and not forks: gRPC's threads do not survive a fork.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        timings: WorkerTimings = WorkerTimings(),
    ) -> None:
        self._command = command
        self._environment = environment
        self._timings = timings

    async def run(
        self, count: int, on_ready: Callable[[dict[str, Any]], None], stop: asyncio.Event
    ) -> None:
        """Runs `count` workers until `stop` is set, and restarts a worker that dies.

        Calls `on_ready` with the JSON of one worker once all of them answer. Raises
        FailedPrecondition when a worker ends before it ever answered.
        """
        ready = [asyncio.get_running_loop().create_future() for _ in range(count)]

        async def announce() -> None:
            on_ready((await asyncio.gather(*ready))[0])

        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(announce()),
                    *(tasks.create_task(self._keep_running(worker)) for worker in ready),
                ]
                await stop.wait()
                for task in running:
                    task.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _keep_running(self, ready: asyncio.Future[dict[str, Any]]) -> None:
        pause_s = self._timings.first_pause_s
        while True:
            started_at = time.monotonic()
            async with self._process() as process:
                assert process.stdout is not None
                line = await process.stdout.readline()
                if line and not ready.done():
                    ready.set_result(json.loads(line))
                code = await process.wait()
            if not ready.done():
                raise FailedPrecondition("a worker could not start: see its message above")
            if time.monotonic() - started_at > self._timings.steady_s:
                pause_s = self._timings.first_pause_s
            log.warning("worker.died", pid=process.pid, code=code, restart_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._timings.longest_pause_s)

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Starts a worker, and stops it at the end of the block."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C reaches every process of a session in the foreground. Workers are
            # stopped by their parent alone.
            start_new_session=True,
        )
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            try:
                async with asyncio.timeout(self._timings.stop_s):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
