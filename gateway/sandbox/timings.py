"""The delays that the sandbox waits in real time. Does no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Real-time delays, in seconds.

    `callback_retry_s` is the pause between two attempts of one callback. Twilio does
    not document it.
    `drip_interval_s` is the pause after each byte of a response with the fault `drip`.
    `user_step_s` is the mean pause between two steps of the simulated users.
    """

    callback_retry_s: float = 0.1
    drip_interval_s: float = 1.0
    user_step_s: float = 1.0
