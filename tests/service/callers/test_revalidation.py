import asyncio
import gc
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.core.callers import Caller, VerifiedToken
from gateway.core.errors import PermissionDenied
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.revalidation import revalidated
from gateway.service.callers.timings import CallerTimings
from tests.service.conftest import ADMIN, LIMIT_S


class Revocable(Authenticator):
    """`answers`: whether the credential is valid, for one check after the other. After
    the last one it is not."""

    def __init__(self, answers: Sequence[bool], revalidate_s: float = 60.0) -> None:
        super().__init__([], timings=CallerTimings(revalidate_s=revalidate_s))
        self.answers = list(answers)

    def is_valid(self, caller: Caller) -> bool:
        return bool(self.answers) and self.answers.pop(0)


async def test_the_block_is_cancelled_when_the_credential_is_revoked() -> None:
    authenticator = Revocable([True, True], revalidate_s=0.001)
    with pytest.raises(PermissionDenied, match="expired or was revoked"):
        async with asyncio.timeout(LIMIT_S), revalidated(authenticator, ADMIN):
            await asyncio.Event().wait()
    assert authenticator.answers == []


async def test_the_block_is_cancelled_when_its_token_expires() -> None:
    expires_at = time.time() + 0.05
    token = replace(ADMIN, token=VerifiedToken("issuer", "audience", b"", expires_at))
    with pytest.raises(PermissionDenied, match="expired or was revoked"):
        async with asyncio.timeout(LIMIT_S), revalidated(Revocable([]), token):
            await asyncio.Event().wait()
    assert time.time() >= expires_at


async def test_no_check_follows_the_end_of_the_block() -> None:
    authenticator = Revocable([True], revalidate_s=0.0)
    async with revalidated(authenticator, ADMIN):
        pass
    await asyncio.sleep(0)
    assert authenticator.answers == [True]


async def test_a_timeout_of_the_block_itself_is_raised_as_it_is() -> None:
    with pytest.raises(TimeoutError):
        async with revalidated(Revocable([]), ADMIN):
            raise TimeoutError


async def test_a_block_leaves_no_reference_cycle() -> None:
    authenticator = Revocable([True])
    is_freed = weakref.finalize(authenticator, lambda: None)
    gc.collect()
    gc.disable()
    try:
        async with revalidated(authenticator, ADMIN):
            pass
        del authenticator
        assert not is_freed.alive
    finally:
        gc.enable()
