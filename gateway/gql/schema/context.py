"""What resolvers are given. Does no I/O."""

from dataclasses import dataclass, field

from gateway.core.callers import Caller
from gateway.gql.schema.loaders import Loaders
from gateway.service.accounts import Account
from gateway.service.call_context import CallContext, MaxAge
from gateway.service.callers.points import Charge


@dataclass(frozen=True, slots=True)
class Context:
    """One operation's, so that what its fields fetch at the same time can travel together."""

    caller: Caller
    account: Account
    trace_id: str
    charge: Charge
    last_event_id: str | None = None
    """Where an event stream broke off, as its client says beside the document; it beats the argument `after`."""
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "loaders", Loaders(self.caller, self.account))

    def call(self, max_age: MaxAge | None = None) -> CallContext:
        """What code below the face needs to know of this operation."""
        return CallContext(self.caller, requests=self.charge.requests, max_age=max_age)
