"""Who calls: the credential that came as metadata, and the caller while a call is answered."""

from collections.abc import Iterable, Mapping

from gateway.core.callers import Caller
from gateway.core.errors import Unauthenticated
from gateway.core.rooms import AccountSid
from gateway.service import call_context
from gateway.service.accounts import Account
from gateway.service.call_context import CallContext
from gateway.service.callers.authenticator import Authenticator


async def authenticate(
    authenticator: Authenticator, metadata: Iterable[tuple[str, str | bytes]]
) -> None:
    """Makes `current_caller` true for the rest of this task. Raises Unauthenticated, and UpstreamUnavailable.

    A credential that comes twice is refused: whoever stands between may have checked the other one.
    """
    found: dict[str, str] = {}
    for key, value in metadata:
        if key in ("authorization", "x-api-key") and isinstance(value, str):
            if key in found:
                raise Unauthenticated(f"{key} comes twice; send it once")
            found[key] = value
    caller = await authenticator.caller(
        authorization=found.get("authorization"), api_key=found.get("x-api-key")
    )
    call_context.enter(CallContext(caller))


def current_caller() -> Caller:
    """The caller whose call is being answered."""
    caller = call_context.current().caller
    assert caller is not None, "a call is let in by its caller alone"
    return caller


def caller_and_account(accounts: Mapping[AccountSid, Account]) -> tuple[Caller, Account]:
    """Who calls, and the use cases of their account."""
    caller = current_caller()
    return caller, accounts[caller.account_sid]
