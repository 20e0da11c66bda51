"""Decides which values are read so often that they are refreshed before they become
stale.

Does no I/O.
"""

import random
from collections.abc import Callable, Hashable

from gateway.core.caching import Lifetime, is_early_refresh_due
from gateway.core.lru import LruCache
from gateway.service.cache.timings import CacheTimings


class EarlyRefresh:
    """Counts the reads of the values that were read last.

    `rand` returns a random number from 0 to 1, so that not all replicas refresh at
    once.
    """

    def __init__(
        self,
        timings: CacheTimings = CacheTimings(),
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._hot_reads = timings.hot_reads
        self._reads = LruCache[Hashable, tuple[float, int]](max_entries=timings.counted_keys)
        self._rand = rand

    def should_refresh(
        self, key: Hashable, fetched_at: float, lifetime: Lifetime, age_s: float
    ) -> bool:
        """Counts one read of a fresh value. Returns whether this reader should refresh
        it."""
        counted_at, reads = self._reads.peek(key) or (fetched_at, 0)
        reads = reads + 1 if counted_at == fetched_at else 1
        self._reads.put(key, (fetched_at, reads))
        return reads > self._hot_reads and is_early_refresh_due(lifetime, age_s, self._rand())
