"""A stream outlives the moment in which its caller was let in: the credential is looked at again while it lasts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.core.errors import PermissionDenied
from gateway.service.access import Access, Caller

CHECK_S = 60.0


@asynccontextmanager
async def while_it_holds(access: Access, caller: Caller) -> AsyncIterator[None]:
    """Cancels what runs inside, and raises PermissionDenied, within CHECK_S of the credential's end."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    # Given itself, for if it named itself, the stream's task and context would be left to the garbage collector.
    def look(again: Callable[..., None]) -> None:
        nonlocal timer
        if access.still_holds(caller):
            timer = loop.call_later(CHECK_S, again, again)
        else:
            patience.reschedule(loop.time())

    timer = loop.call_later(CHECK_S, look, look)
    try:
        async with asyncio.timeout(None) as patience:
            yield
    except TimeoutError:
        if not patience.expired():
            raise
        raise PermissionDenied("this API key has expired or was taken back; come again with another one") from None
    finally:
        timer.cancel()
