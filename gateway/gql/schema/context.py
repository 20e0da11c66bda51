"""The context value that every resolver receives. Does no I/O."""

from dataclasses import dataclass, field

from gateway.core.callers import Caller
from gateway.gql.schema.loaders import Loaders
from gateway.service.accounts import Account
from gateway.service.call_context import CallContext, MaxAge
from gateway.service.callers.charge import Charge


@dataclass(frozen=True, slots=True)
class Context:
    """The context of one operation."""

    caller: Caller
    account: Account
    trace_id: str
    charge: Charge
    last_event_id: str | None = None
    """The cursor at which an event stream resumes. It overrides the argument `after`.

    A browser sends it in a header, and repeats the document as it was.
    """
    loaders: Loaders = field(init=False)
    """One set for each operation, so that its fields share batches."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "loaders", Loaders(self.caller, self.account))

    def call_context(self, max_age: MaxAge | None = None) -> CallContext:
        """The part of the context that the service needs."""
        return CallContext(self.caller, requests=self.charge.requests, max_age=max_age)
