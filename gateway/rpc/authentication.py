"""Who calls: the caller behind the metadata of a call, and their account."""

from collections.abc import Iterable, Mapping

from gateway.core.callers import Caller
from gateway.core.rooms import AccountSid
from gateway.service import call_context
from gateway.service.accounts import Account
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.credentials import Credentials


async def authenticate(
    authenticator: Authenticator, metadata: Iterable[tuple[str, str | bytes]]
) -> Caller:
    """Returns the caller behind the metadata.

    Raises Unauthenticated, and UpstreamUnavailable while the keys of a token's issuer
    cannot be read.
    """
    credentials = Credentials.of_headers(metadata)
    return await authenticator.caller(
        authorization=credentials.authorization, api_key=credentials.api_key
    )


def current_caller() -> Caller:
    """Returns the caller of the call that this task serves."""
    caller = call_context.current().caller
    assert caller is not None, "only public methods have no caller, and they do not ask for one"
    return caller


def caller_and_account(accounts: Mapping[AccountSid, Account]) -> tuple[Caller, Account]:
    """Returns the caller of the current call, and the use cases of their account."""
    caller = current_caller()
    return caller, accounts[caller.account_sid]
