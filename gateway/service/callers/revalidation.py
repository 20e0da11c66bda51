"""A stream outlives the moment in which its caller was let in: the credential is looked at again while it lasts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.core.callers import Caller
from gateway.core.errors import PermissionDenied
from gateway.service.callers.authenticator import Authenticator

CHECK_S = 60.0
# Clocks and timers are not one: looked at in its last moment, a token would still hold.
_AFTER_S = 0.01


@asynccontextmanager
async def revalidated(authenticator: Authenticator, caller: Caller) -> AsyncIterator[None]:
    """Cancels what runs inside, and raises PermissionDenied, within CHECK_S of the credential's end;
    of a token's at once, as it is known beforehand."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    # Given itself, for if it named itself, the stream's task and context would be left to the garbage collector.
    def look(again: Callable[..., None]) -> None:
        nonlocal timer
        if authenticator.still_holds(caller):
            timer = loop.call_later(_next_look_s(caller), again, again)
        else:
            patience.reschedule(loop.time())

    timer = loop.call_later(_next_look_s(caller), look, look)
    try:
        async with asyncio.timeout(None) as patience:
            yield
    except TimeoutError:
        if not patience.expired():
            raise
        raise PermissionDenied(
            "this credential has expired or was taken back; come again with another one"
        ) from None
    finally:
        timer.cancel()


def _next_look_s(caller: Caller) -> float:
    if caller.signed is None:
        return CHECK_S
    return min(CHECK_S, max(0.0, caller.signed.expires_at - time.time()) + _AFTER_S)
