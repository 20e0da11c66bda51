"""Pages. Does no I/O."""

from dataclasses import dataclass

from gateway.core.caching import SeenRoom
from gateway.core.errors import InvalidArgument

PAGE_LIMIT = 100


def checked_first(first: int) -> int:
    """Raises InvalidArgument outside 1 … 100."""
    if not 1 <= first <= PAGE_LIMIT:
        raise InvalidArgument(f"first is {first}; give a whole number from 1 to {PAGE_LIMIT}")
    return first


@dataclass(frozen=True, slots=True)
class RoomPage:
    """Rooms with the cursor after each. A page may be shorter than asked and still have a next one."""

    rooms: tuple[tuple[str, SeenRoom], ...]
    end_cursor: str | None
    has_next_page: bool
