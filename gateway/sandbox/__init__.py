"""A stateful simulator of Twilio Video over HTTP: what the gateway is developed and tested against.

It shares no code with the gateway, so that no misunderstanding of Twilio can cancel itself out. It answers the 26
operations of Video on rooms and recordings and the 4 of Insights, with every parameter, limit and error code, paging,
quotas, signed status callbacks with Twilio's rules of retrying, and below `/_sandbox` a control API: people who join
and leave, faults, a clock that can be pushed.
"""

from gateway.sandbox.accounts import Account
from gateway.sandbox.rest.quota import Quotas
from gateway.sandbox.server import Sandbox
from gateway.sandbox.world.world import Capacity

__all__ = ["Account", "Capacity", "Quotas", "Sandbox"]
