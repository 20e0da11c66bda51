"""Parses the timeouts of both protocols. Does no I/O."""

import re
from typing import Final

from gateway.core.errors import InvalidArgument

CONNECT: Final = "Connect-Timeout-Ms"
GRPC: Final = "grpc-timeout"

_CONNECT: Final = re.compile(r"[0-9]{1,10}")
_GRPC: Final = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNIT_S: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def parse_connect_timeout(header: str | None) -> float | None:
    """Returns the timeout in seconds, or None without the header.

    Raises InvalidArgument.
    """
    if header is None:
        return None
    if _CONNECT.fullmatch(header) is None:
        raise InvalidArgument(
            f"{CONNECT} is not a timeout: send up to 10 digits of milliseconds, or leave it out"
        )
    return int(header) / 1000


def parse_grpc_timeout(header: str | None) -> float | None:
    """Returns the timeout in seconds; None without the header. Raises InvalidArgument.

    https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
    """
    if header is None:
        return None
    match = _GRPC.fullmatch(header)
    if match is None:
        raise InvalidArgument(
            f"{GRPC} is not a timeout: send up to 8 digits and a unit, such as 5S, or leave it out"
        )
    return int(match[1]) * _UNIT_S[match[2]]
