"""A stateful simulator of Twilio Video over HTTP, for development and tests.

The sandbox shares no code with the gateway. A misreading of Twilio's documents in one
of them therefore shows up as a failing test instead of cancelling itself out.

It implements the 26 operations of Video on rooms and recordings and the 4 of Insights,
with every parameter, limit and error code; paging; quotas; and signed status callbacks
with Twilio's retry rules. A control API below `/_sandbox` lets participants join and
leave, injects faults and advances the simulated clock.
"""

from gateway.sandbox.accounts import Account
from gateway.sandbox.rest.quota import Quotas
from gateway.sandbox.server import Sandbox
from gateway.sandbox.timings import Timings
from gateway.sandbox.world.world import Capacity

__all__ = ["Account", "Capacity", "Quotas", "Sandbox", "Timings"]
