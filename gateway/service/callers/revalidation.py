"""Checks the credential of an open stream again: a stream may outlive it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from gateway.core.callers import Caller
from gateway.core.errors import PermissionDenied
from gateway.service.callers.authenticator import Authenticator

# A timer of the event loop and the wall clock differ a little. Without this, a check at
# the very end of a token may find it valid.
_AFTER_S: Final = 0.01


@asynccontextmanager
async def revalidated(authenticator: Authenticator, caller: Caller) -> AsyncIterator[None]:
    """Cancels the block within `revalidate_s` of the end of the credential, and raises
    PermissionDenied then. A token's expiry is known in advance: it ends the block at
    once."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    # The function is passed to itself. If it referred to itself by name, a reference
    # cycle would leave the stream's task and context to the garbage collector.
    def check(again: Callable[..., None]) -> None:
        nonlocal timer
        if authenticator.is_valid(caller):
            timer = loop.call_later(_next_check_s(authenticator, caller), again, again)
        else:
            timeout.reschedule(loop.time())

    timer = loop.call_later(_next_check_s(authenticator, caller), check, check)
    try:
        async with asyncio.timeout(None) as timeout:
            yield
    except TimeoutError:
        if not timeout.expired():
            raise
        raise PermissionDenied(
            "credential has expired or was revoked: reconnect with a new one"
        ) from None
    finally:
        timer.cancel()


def _next_check_s(authenticator: Authenticator, caller: Caller) -> float:
    if caller.token is None:
        return authenticator.revalidate_s
    expires_in_s = max(0.0, caller.token.expires_at - time.time())
    return min(authenticator.revalidate_s, expires_in_s + _AFTER_S)
