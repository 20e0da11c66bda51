"""A stream outlives the moment in which its caller was let in: the credential is looked at again while it lasts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.core.errors import PermissionDenied
from gateway.service.access import Access, Caller

CHECK_S = 60.0


@asynccontextmanager
async def while_it_holds(access: Access, caller: Caller) -> AsyncIterator[None]:
    """Cancels what runs inside, and raises PermissionDenied, within CHECK_S of the credential's end."""
    try:
        async with asyncio.timeout(None) as patience:
            looking = _Looking(access, caller, patience)
            try:
                yield
            finally:
                looking.stop()
    except TimeoutError:
        if not patience.expired():
            raise
        raise PermissionDenied("this API key has expired or was taken back; come again with another one") from None


class _Looking:
    """Looks again and again. Once stopped, nothing refers to it: a function that names itself would wait for the garbage
    collector, and the stream's task with it."""

    def __init__(self, access: Access, caller: Caller, patience: asyncio.Timeout) -> None:
        self._access = access
        self._caller = caller
        self._patience = patience
        self._timer = asyncio.get_running_loop().call_later(CHECK_S, self._look)

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        if self._access.still_holds(self._caller):
            self._timer = loop.call_later(CHECK_S, self._look)
        else:
            self._patience.reschedule(loop.time())
