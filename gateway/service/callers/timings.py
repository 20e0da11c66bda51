"""Times and sizes for the limits and credentials of callers. Tests change them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallerTimings:
    """Times are in seconds."""

    redis_s: float = 0.05
    """The timeout of Redis for charging a call. After a timeout, each process limits
    callers by itself."""
    redis_pause_s: float = 1.0
    """How long Redis is not used after such a timeout."""
    report_s: float = 0.1
    """Points that Redis does not know to be spent or returned are reported with the
    caller's next call, or after this time."""
    reports_at_once: int = 50
    """After an outage, many callers may have points to report. This few at a time, none
    of the commands times out while it waits behind the others."""
    known_callers: int = 50_000
    """For how many callers a process knows the points. The number of token subjects has
    no limit, so the least recently used are evicted. That matters only without Redis:
    an evicted caller then has all its points again in this process."""
    known_tokens: int = 2_048
    """How many verified tokens a process keeps, at 1 to 10 kB each. A token that is
    known is not verified again."""
    revalidate_s: float = 60.0
    """How often the credential of an open stream is checked."""
    jwks_refresh_s: float = 300.0
    """How often an issuer's keys are read. A key that the issuer has withdrawn is
    accepted no longer than this, if the issuer can be reached."""
    jwks_retry_s: float = 5.0
    """The pause after a failed read of an issuer's keys."""
    jwks_lookup_s: float = 10.0
    """How often the keys are read for unknown key ids at most: tokens with invented key
    ids cause no more requests."""
    jwks_wait_s: float = 1.0
    """How long a call waits for such a read, at most."""
    jwks_max_age_s: float = 3_600.0
    """How long the keys are accepted while the issuer cannot be reached."""
