"""The durations and limits of the read path. Tests change them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheTimings:
    """Times are in seconds, unless the name says otherwise."""

    fallback_s: float = 1.0
    """How long a read waits for Twilio while a known value can replace the answer:
    longer than Twilio usually takes."""
    lease_ms: int = 3_000
    """How long other replicas wait for a replica that died while it fetched a value:
    less than the shortest default deadline of our callers (5 s). When the replica only
    takes longer, one more fetches."""
    first_pause_s: float = 0.005
    last_pause_s: float = 0.1
    """The pause of a waiting replica doubles from the first to the last. A request to
    Twilio takes some 60 ms or more."""
    memory_bytes: int = 48_000_000
    """The size of all values in this process: their JSON, and ENTRY_BYTES for each.
    Decoded values take up to 1.4 times as much. 10,000 rooms, as many as an account may
    have in progress, take 16 MB of it.
    https://www.twilio.com/docs/video/programmable-video-limits"""
    counted_keys: int = 10_000
    """For how many values the reads are counted, to refresh them early."""
    hot_reads: int = 20
    """A value that was read more often than this since its fetch has many readers, and
    not one person who reads it twice."""
