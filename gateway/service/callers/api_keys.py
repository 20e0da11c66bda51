"""API keys: the credentials that the operator configures. Does no I/O."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.callers import Caller

KEY_PREFIX: Final = "rgk_"
"""Every key starts with it, so a key is not mistaken for a token."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A configured key. `sha256` is the hex digest of the whole key, with its prefix.
    The key itself is stored nowhere."""

    sha256: str
    caller: Caller


class ApiKeys:
    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = tuple(keys)

    def caller(self, key: str) -> Caller | None:
        """The caller that the key belongs to; None for an unknown key."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        # Compares all keys, so that the time does not reveal which ones are similar.
        callers = [
            known.caller for known in self._keys if hmac.compare_digest(known.sha256, digest)
        ]
        return callers[0] if callers else None

    def has(self, caller: Caller) -> bool:
        """Whether a key still gives exactly these rights."""
        return any(known.caller == caller for known in self._keys)
