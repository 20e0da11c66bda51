"""Several processes of the gateway on the same ports, kept running by one parent."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from gateway.core.errors import FailedPrecondition

log = structlog.get_logger()


class Workers:
    """Processes of one command, each a replica of its own on the same ports; one that dies is started again.

    A worker says one line of JSON on its standard output once it answers, and stops when its standard input closes: so none
    outlives its parent, however that ends. They are new processes and no forks, for gRPC's threads do not survive a fork.
    """

    STOP_S = 10.0
    # A worker that dies at once is started ever more seldom; one that has served for a while comes back soon.
    FIRST_PAUSE_S = 0.1
    LONGEST_PAUSE_S = 5.0
    STEADY_S = 30.0

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment

    async def run(
        self, count: int, on_ready: Callable[[dict[str, Any]], None], stop: asyncio.Event
    ) -> None:
        """Until `stop`. `on_ready` is given what a worker said, once all answer. Raises FailedPrecondition when one does not
        start; later deaths are survived."""
        said = [asyncio.get_running_loop().create_future() for _ in range(count)]

        async def announce() -> None:
            on_ready((await asyncio.gather(*said))[0])

        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(announce()),
                    *(tasks.create_task(self._keep(first)) for first in said),
                ]
                await stop.wait()
                for task in running:
                    task.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _keep(self, said: asyncio.Future[dict[str, Any]]) -> None:
        pause_s = self.FIRST_PAUSE_S
        while True:
            begun_at = time.monotonic()
            async with self._worker() as process:
                assert process.stdout is not None
                line = await process.stdout.readline()
                if line and not said.done():
                    said.set_result(json.loads(line))
                code = await process.wait()
            if not said.done():
                raise FailedPrecondition("a worker did not start; what it said stands above")
            if time.monotonic() - begun_at > self.STEADY_S:
                pause_s = self.FIRST_PAUSE_S
            log.warning("worker.gone", pid=process.pid, code=code, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self.LONGEST_PAUSE_S)

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C reaches the whole group in front: the parent tells the workers itself.
            start_new_session=True,
        )
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            try:
                async with asyncio.timeout(self.STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
