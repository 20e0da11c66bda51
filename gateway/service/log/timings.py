"""Times and sizes of the log's parts. Tests change them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogTimings:
    """Times are in seconds, unless the name says otherwise."""

    block_ms: int = 100
    """How long one read of the log waits for new entries."""
    read_count: int = 1_000
    """The most entries in one read of the log."""
    check_s: float = 0.5
    """How often the process checks that its position in the log is still valid. A reset
    of the log must be announced within 1 s."""
    retry_s: float = 0.1
    """The pause after a failed read of the log."""
    trim_s: float = 60.0
    """How often old entries are dropped from the log."""
    rest_lag_s: float = 5.0
    """The longest lag of Twilio's REST API behind its callbacks that the gateway allows
    for. A response fetched now shows everything that happened up to this long ago."""
    caught_up_s: float = 0.25
    """How long memory may answer after the log was last read to its end. After that, it
    may have missed the end of a room."""
    marks: int = 50_000
    """For how many rooms, recordings and names a process remembers the newest event."""
    forged_log_s: float = 10.0
    """How often forged callbacks are logged. Anyone can send them, so one line counts
    many."""
    heartbeat_s: float = 1.0
    """How often a replica sends a heartbeat."""
    reconnect_s: float = 1.5
    """A reader that has not received its own heartbeat for this long reconnects to
    Redis. Less than `lost_s`, so that a reconnect in time keeps the replica healthy."""
    lost_s: float = 3.0
    """A reader that has not received its own heartbeat for this long is unhealthy. A
    replica whose heartbeats are missing for this long counts as gone."""
    ring_entries: int = 10_000
    """How many of the newest entries a process keeps."""
    ring_bytes: int = 16_000_000
    """How many bytes of them it keeps."""
    presence_rooms: int = 1_000
    """For how many rooms a process remembers who is in them."""
    presence_stays: int = 10_000
    """How many participants and rooms it remembers for that in total. An account has at
    most 10,000 participants at a time.
    https://www.twilio.com/docs/video/programmable-video-limits"""
