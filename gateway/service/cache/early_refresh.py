"""Which answers are asked for so often that they are fetched anew a little before they are stale."""

import random
from collections.abc import Hashable

from gateway.core.caching import Lifetime, is_early_refresh_due
from gateway.core.lru import LruCache

# Asked so often since it was fetched: a crowd's answer, not one that a person looks at twice.
HOT = 20
LIMIT = 10_000


class EarlyRefresh:
    """Counts the questions to each answer, for those that were asked for last. Does no I/O."""

    def __init__(self) -> None:
        self._asked = LruCache[Hashable, tuple[float, int]](max_entries=LIMIT)
        self._dice = random.Random()  # noqa: S311 - keeps replicas apart, nothing more

    def should_refresh(
        self, key: Hashable, fetched_at: float, lifetime: Lifetime, age_s: float
    ) -> bool:
        """Whether the fresh answer that is being given should be fetched anew behind it."""
        known_at, count = self._asked.peek(key) or (fetched_at, 0)
        count = count + 1 if known_at == fetched_at else 1
        self._asked.put(key, (fetched_at, count))
        return count > HOT and is_early_refresh_due(lifetime, age_s, self._dice.random())
