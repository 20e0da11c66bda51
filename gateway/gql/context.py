"""What every resolver is given. Does no I/O."""

from dataclasses import dataclass

from gateway.service.access import Caller
from gateway.service.accounts import Account


@dataclass(frozen=True, slots=True)
class Context:
    caller: Caller
    account: Account
    trace_id: str
    last_event_id: str | None = None
    """Where an event stream broke off, as its client's header says; it beats the argument `after`."""
