"""Network addresses, as limits count them. Does no I/O."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import NewType

Network = NewType("Network", str)
"""What limits take for one client: an IPv4 address, or the /64 of an IPv6 address."""


def network_of(host: str) -> Network:
    """Returns the network of a host. A text that is no address stands for itself.

    A provider gives each customer a /64 at least, so its addresses are one client's.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return Network(host)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return Network(str(address.ipv4_mapped))
        return Network(str(ip_network((address, 64), strict=False)))
    return Network(str(address))
