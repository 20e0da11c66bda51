"""How much one gRPC server does at once, and how long a call may take. Does no I/O."""

from dataclasses import dataclass
from typing import Final

# The standard read methods (https://google.aip.dev/130), and ExplainToken.
_READS: Final = ("Get", "BatchGet", "List", "Explain")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls of each kind one server handles at once.

    Each kind has its own limit, so 10,000 open streams or a flood of anonymous health
    watches do not keep a caller from an answer. Health checks have none: the answer is
    in memory, and a load balancer removes a replica that refuses them.
    """

    calls: int = 1_000
    streams: int = 10_000
    public_streams: int = 256
    """Health watches and reflections, which need no credential."""
    public_streams_per_network: int = 100


@dataclass(frozen=True, slots=True)
class Timings:
    """How long calls may take, in seconds."""

    read_s: float = 5.0
    write_s: float = 10.0
    deadline_s: float = 10.0
    """No unary call takes longer, whatever its client grants."""
    slow_reader_s: float = 10.0
    """A stream ends when its client does not take a message for this long."""
    final_status_s: float = 1.0
    """How long an ended call waits for its client to take the final status."""

    def call_limit_s(self, method: str, remaining_s: float | None) -> float:
        """Returns how long this unary call may take.

        `remaining_s` is the time until the client's deadline, or None without a
        deadline.
        """
        is_read = method.rpartition("/")[2].startswith(_READS)
        limit_s = min(self.read_s if is_read else self.write_s, self.deadline_s)
        return limit_s if remaining_s is None else min(limit_s, remaining_s)
