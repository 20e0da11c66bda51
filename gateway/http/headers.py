"""Headers that may be sent once only. Does no I/O."""

from multidict import MultiMapping

from gateway.core.errors import InvalidArgument


def only_value(headers: MultiMapping[str], name: str) -> str | None:
    """Returns the value of this header; None without it.

    Raises InvalidArgument for a header that is sent twice. It decides about access, and
    a proxy in between may have checked the other value.
    """
    values = headers.getall(name, ())
    if len(values) > 1:
        raise InvalidArgument(f"{name} is sent twice: send it once")
    return values[0] if values else None
