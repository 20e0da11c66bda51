"""The names of an account's keys in Redis. Does no I/O.

All keys of an account share a hash tag, so a script finds all its keys on one shard of
a cluster.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from gateway.core.rooms import AccountSid, RoomSid

RateKind = Literal["read", "write", "reconcile"]


@dataclass(frozen=True, slots=True)
class Keys:
    account_sid: AccountSid

    @property
    def log(self) -> str:
        return f"rg:{{{self.account_sid}}}:log"

    @property
    def meta(self) -> str:
        return f"rg:{{{self.account_sid}}}:log:meta"

    @property
    def heartbeat(self) -> str:
        return f"rg:{{{self.account_sid}}}:hb"

    @property
    def probe(self) -> str:
        """The key on which a start tries every command."""
        return f"rg:{{{self.account_sid}}}:probe"

    def room_log(self, sid: RoomSid) -> str:
        return f"rg:{{{self.account_sid}}}:room:{sid}:log"

    def versions(self, sid: str) -> str:
        return f"rg:{{{self.account_sid}}}:room:{sid}:v"

    def end(self, sid: str) -> str:
        return f"rg:{{{self.account_sid}}}:room:{sid}:end"

    def presence(self, sid: RoomSid) -> str:
        """The reconciler's snapshot of who is in a room."""
        return f"rg:{{{self.account_sid}}}:room:{sid}:presence"

    def dedupe(self, dedupe_hash: str) -> str:
        return f"rg:{{{self.account_sid}}}:seen:{dedupe_hash}"

    def cached(self, name: str) -> str:
        """A value in the cache, by `CacheKey.name`."""
        return f"rg:{{{self.account_sid}}}:cache:{name}"

    def room(self, sid: RoomSid) -> str:
        """A room in the cache. The append script writes it too."""
        return self.cached(f"room:{sid}")

    def name(self, name: str) -> str:
        return f"rg:{{{self.account_sid}}}:name:{name}"

    def rate(self, kind: RateKind) -> str:
        return f"rg:{{{self.account_sid}}}:rate:{kind}"

    def points_bucket(self, caller_id: str) -> str:
        return f"rg:{{{self.account_sid}}}:purse:{caller_id}"

    def lease(self, name: str) -> str:
        return f"rg:{{{self.account_sid}}}:lease:{name}"

    def idempotency(self, digest: str) -> str:
        return f"rg:{{{self.account_sid}}}:idem:{digest}"

    @property
    def persisted_queries(self) -> str:
        return f"rg:{{{self.account_sid}}}:documents"

    @property
    def persisted_queries_used(self) -> str:
        return f"rg:{{{self.account_sid}}}:documents:used"

    @property
    def recheck_queue(self) -> str:
        return f"rg:{{{self.account_sid}}}:suspects"

    def pause(self, kind: RateKind) -> str:
        return f"rg:{{{self.account_sid}}}:rate:{kind}:pause"

    @property
    def in_flight(self) -> str:
        return f"rg:{{{self.account_sid}}}:rate:under-way"

    @property
    def concurrency_limit(self) -> str:
        return f"rg:{{{self.account_sid}}}:rate:ceiling"


def dedupe_hash(dedupe: str) -> str:
    """Returns the hash that identifies a callback in keys and log entries.

    It is hex of 16 bytes: too long for two callbacks to have the same one by chance.
    """
    return hashlib.blake2b(dedupe.encode(), digest_size=16).hexdigest()
