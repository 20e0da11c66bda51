"""Checks at the start that a Redis does what the gateway needs.

Whatever Redis refuses, the error names it and says what to do.
"""

import re
import ssl
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    ResponseError,
)

from gateway.core.errors import FailedPrecondition, UpstreamUnavailable
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys

TIMEOUT_S: Final = 4.0
"""How long the trial of all commands may take, on a server that has just started."""

_PROBE: Final = Script("probe.lua")
_COMMAND: Final = re.compile(r"run the '([^']+)' command")
_LOGIN: Final = "redis://user:password@host"


async def check_server(
    connections: Connections, accounts: Collection[AccountSid], *, check_eviction: bool
) -> None:
    """Tries every command, and with `check_eviction` that no key may be evicted.

    Accounts whose keys the user may not access are left out, unless all are. Raises
    FailedPrecondition when Redis refuses something for good, and UpstreamUnavailable
    when it does not reply or cannot work at present.
    """
    if check_eviction:
        await _check_eviction(connections)
    refusal: KeysRefused | None = None
    for account_sid in accounts:
        try:
            with explain_refusals():
                key = Keys(account_sid).probe
                errors = await connections.run(_PROBE, [key], [], TIMEOUT_S)
        except KeysRefused as exc:
            refusal = exc
        else:
            _check_probe([error.decode(errors="replace") for error in errors])
            return
    if refusal is not None:
        raise refusal


async def _check_eviction(connections: Connections) -> None:
    try:
        with explain_refusals():
            await connections.check_eviction_policy()
    except CommandRefused as exc:
        raise FailedPrecondition(
            f"the Redis user of GATEWAY_REDIS_URL may not run {exc.command}, which shows whether "
            f'Redis may evict the event log: allow it ("ACL SETUSER … +{exc.command.lower()}"), '
            "or go on without this check with GATEWAY_ALLOW_EVICTION=1"
        ) from exc


class KeysRefused(FailedPrecondition):
    """Redis does not let its user access the keys of an account."""


class CommandRefused(FailedPrecondition):
    """Redis does not let its user run `command`."""

    def __init__(self, commands: Iterable[str]) -> None:
        names = sorted(set(commands))
        self.command = names[0]
        allowed = " ".join(f"+{name.lower()}" for name in names)
        super().__init__(
            f"the Redis user of GATEWAY_REDIS_URL may not run {', '.join(names)}, which the "
            f'gateway needs: allow that ("ACL SETUSER … {allowed}")'
        )


@contextmanager
def explain_refusals() -> Iterator[None]:
    """Turns UpstreamUnavailable into FailedPrecondition when Redis refused for good."""
    try:
        yield
    except UpstreamUnavailable as exc:
        refusal = next(filter(None, map(_refusal, _causes(exc))), None)
        if refusal is not None:
            raise refusal from exc
        raise UpstreamUnavailable(_away(exc)) from exc


def _away(exc: UpstreamUnavailable) -> str:
    """Returns why Redis cannot work at present."""
    if any(isinstance(cause, BusyLoadingError) for cause in _causes(exc)):
        return "Redis still loads its data"
    if "GATEWAY_REDIS_URL" in exc.message:
        return exc.message
    return "Redis did not reply: check the address in GATEWAY_REDIS_URL, and that Redis runs"


def _refusal(cause: BaseException) -> FailedPrecondition | None:
    """Returns what Redis refused for good, or None when it may work later."""
    text = str(cause)
    match cause:
        case AuthenticationError() | AuthenticationWrongNumberOfArgsError():
            if "Authentication required" in text:
                return FailedPrecondition(
                    f"Redis requires a password, and GATEWAY_REDIS_URL has none: write {_LOGIN}"
                )
            return FailedPrecondition(
                "Redis refused the user name or the password of GATEWAY_REDIS_URL: "
                f"correct them in {_LOGIN}"
            )
        case NoPermissionError():
            if found := _COMMAND.search(text):
                return CommandRefused([found[1].upper()])
            return KeysRefused(
                "the Redis user of GATEWAY_REDIS_URL may not access the keys that begin with rg: "
                '(allow them with "ACL SETUSER … ~rg:*")'
            )
        case ReadOnlyError():
            return _read_only()
        case MovedError():
            return FailedPrecondition(
                "GATEWAY_REDIS_URL names one node of a cluster: use redis+cluster://host:port"
            )
        case ssl.SSLCertVerificationError():
            return FailedPrecondition(
                "the TLS certificate of Redis is not trusted: name its issuer in GATEWAY_REDIS_URL "
                "with ?ssl_ca_certs=/path"
            )
        case ssl.SSLError():
            return FailedPrecondition(
                "Redis does not speak TLS at the address of GATEWAY_REDIS_URL: "
                "use redis:// instead of rediss://, or the port for TLS"
            )
        case ResponseError() if "DB index is out of range" in text:
            return FailedPrecondition(
                "GATEWAY_REDIS_URL names a database that Redis does not have: use /0"
            )
        case ResponseError() if "unknown command" in text:
            return FailedPrecondition(
                "GATEWAY_REDIS_URL names a server that lacks a command of Redis 7: use Redis 7 or "
                "newer, or Valkey, and redis+sentinel:// for Sentinels"
            )
    return None


def _check_probe(errors: list[str]) -> None:
    """Raises the error that a command of the probe met, if it is about the server."""
    if any(" READONLY " in error for error in errors):
        raise _read_only()
    refused = [
        error.partition(" ")[0]
        for error in errors
        if " NOPERM " in error or "ACL failure" in error or "no permissions" in error
    ]
    if refused:
        raise CommandRefused(refused)
    if any(" OOM " in error for error in errors):
        raise UpstreamUnavailable(
            "Redis is out of memory and refuses to write: raise its maxmemory"
        )
    if any(" MISCONF " in error for error in errors):
        raise UpstreamUnavailable(
            "Redis cannot save to its disk and refuses to write: see the log of Redis"
        )
    if any(" NOREPLICAS " in error for error in errors):
        raise UpstreamUnavailable(
            "Redis has fewer replicas than its min-replicas-to-write and refuses to write: "
            "start its replicas"
        )


def _read_only() -> FailedPrecondition:
    return FailedPrecondition(
        "GATEWAY_REDIS_URL names a read-only replica: name the master, or use redis+sentinel:// "
        "or redis+cluster://, which find it"
    )


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yields the error that redis-py gave, and those that led to it."""
    cause = exc.__cause__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
