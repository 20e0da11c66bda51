"""The credentials of a request, wherever its transport has them. Does no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import Unauthenticated

# The field of each name: those of HTTP headers and gRPC metadata, and `apiKey` of
# `connection_init`.
_FIELDS: Final = {"authorization": "authorization", "x-api-key": "api_key"}
_INIT_FIELDS: Final = {**_FIELDS, "apikey": "api_key"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The values of `Authorization` and `X-API-Key`."""

    authorization: str | None = None
    api_key: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"  # secrets must not get into logs

    def __bool__(self) -> bool:
        return self.authorization is not None or self.api_key is not None

    @classmethod
    def of_headers(cls, headers: Iterable[tuple[str, str | bytes]]) -> "Credentials":
        """Returns those of HTTP headers or gRPC metadata, with names in any case.

        Raises Unauthenticated for a credential that is sent twice: a proxy in between
        may have checked the other one.
        """
        texts = ((name, value) for name, value in headers if isinstance(value, str))
        return cls(**_only_once(texts, _FIELDS))

    @classmethod
    def of_init(cls, payload: Iterable[tuple[str, str]]) -> "Credentials":
        """Returns those of the payload of `connection_init`, as `of_headers` does.

        The API key is in `apiKey` or `X-API-Key`.
        """
        return cls(**_only_once(payload, _INIT_FIELDS))


def is_credential(name: str) -> bool:
    """Whether `connection_init` has a credential under this name."""
    return name.lower() in _INIT_FIELDS


def _only_once(pairs: Iterable[tuple[str, str]], fields: dict[str, str]) -> dict[str, str]:
    credentials: dict[str, str] = {}
    for name, value in pairs:
        field = fields.get(name.lower())
        if field is None:
            continue
        if field in credentials:
            raise Unauthenticated(f"{name.lower()} is sent twice: send it once")
        credentials[field] = value
    return credentials
