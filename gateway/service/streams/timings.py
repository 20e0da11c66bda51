"""Times and sizes of the streams. Tests change them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamTimings:
    """Times are in seconds."""

    bookmark_s: float = 15.0
    """A stream that was quiet for this long gets a bookmark."""
    page_size: int = 500
    """How many entries are read from Redis at once."""
    timeline_pages: int = 4
    """How many pages a timeline searches for events of the selected types before it
    returns what it has found."""
    timeline_wait_s: float = 0.25
    """How long a timeline waits until this process' memory has entries that Redis
    already returned. Memory may answer for as long without the log
    (`LogTimings.caught_up_s`)."""
    reread_s: float = 1.0
    """The pause before a live view retries a snapshot that could not be read."""
