"""Fault injection: what goes wrong, how often, and for which requests. Does no I/O."""

import re
from collections.abc import Iterator
from random import Random
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from gateway.sandbox.errors import ERRORS
from gateway.sandbox.faults.corrupt import Corruption
from gateway.sandbox.world.room_store import MAX_LAG_S

Probability = Annotated[float, Meta(ge=0, le=1)]
Millis = Annotated[float, Meta(ge=0, le=600_000)]


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """The requests that a fault applies to. A field that is left out matches all.

    `method` is an HTTP method, such as GET. `path` is a regular expression that must
    match at the start of the path as it was sent. `/v1/Rooms` therefore matches
    everything below it too, and `/v1/Rooms$` only the list.
    """

    method: str | None = None
    path: str | None = None
    account_sid: str | None = None

    def __post_init__(self) -> None:
        if self.path is not None:
            try:
                re.compile(self.path)
            except re.error as exc:
                raise ValueError(f"path is not a regular expression: {exc}") from exc

    def matches(self, method: str, path: str, account_sid: str) -> bool:
        return (
            self.method in (None, method)
            and self.account_sid in (None, account_sid)
            and (self.path is None or re.match(self.path, path) is not None)
        )


class CallbackFault(Struct, frozen=True, forbid_unknown_fields=True):
    """Faults of callbacks. `drop` and `duplicate` are probabilities.

    Each callback is delayed by `delay_ms` plus a random part of `reorder_ms`, so that
    some callbacks overtake others.
    """

    drop: Probability = 0.0
    duplicate: Probability = 0.0
    reorder_ms: Millis = 0.0
    delay_ms: Millis = 0.0


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """One fault, in the JSON of the control API.

    `match` and `rate` select REST requests with valid credentials. `callbacks` applies
    to all callbacks.

    `status` is returned instead of processing the request, with Twilio's error `code`
    if one is given. With `is_processed` it is returned after processing, as a proxy
    does that gives up too early.
    `hang_up` closes the connection without a response, before or after processing.
    `answer` processes the request and corrupts the response; `elsewhere` is the base
    URL that the corrupted response leads to.
    `rest_lag_ms` makes reads return the state as of that long ago, on the simulated
    clock. A room that was created since then is a 404.
    """

    match: Match = Match()
    rate: Probability = 1.0
    latency_ms: Millis = 0.0
    status: Annotated[int, Meta(ge=300, le=599)] | None = None
    code: int | None = None
    is_processed: bool = False
    retry_after_s: Annotated[float, Meta(ge=0)] | None = None
    hang_up: Literal["before", "after"] | None = None
    malformed: bool = False
    answer: Corruption | None = None
    elsewhere: Annotated[str, Meta(pattern=r"^https?://[!-~]+$")] = "http://elsewhere.invalid"
    callbacks: CallbackFault = CallbackFault()
    rest_lag_ms: Annotated[float, Meta(ge=0, le=MAX_LAG_S * 1000)] = 0.0

    def __post_init__(self) -> None:
        if self.code is not None and (self.status is None or self.code not in ERRORS):
            raise ValueError("code is not one of Twilio's errors, or has no status: give both")


class FaultPlan(Struct, frozen=True):
    """The faults of one request, combined from all faults that apply to it."""

    latency_s: float = 0.0
    status: int | None = None
    is_processed: bool = False
    retry_after_s: float | None = None
    hang_up: Literal["before", "after"] | None = None
    is_malformed: bool = False
    corruption: Corruption | None = None
    foreign_url: str = ""
    lag_s: float = 0.0
    code: int | None = None

    def combined_with(self, fault: Fault) -> Self:
        """Latencies add up, the longest lag counts; otherwise the first fault wins."""
        is_first_status = self.status is None and fault.status is not None
        is_first_corruption = self.corruption is None and fault.answer is not None
        return type(self)(
            latency_s=self.latency_s + fault.latency_ms / 1000,
            status=fault.status if is_first_status else self.status,
            is_processed=fault.is_processed if is_first_status else self.is_processed,
            retry_after_s=fault.retry_after_s if is_first_status else self.retry_after_s,
            hang_up=self.hang_up or fault.hang_up,
            is_malformed=self.is_malformed or fault.malformed,
            corruption=fault.answer if is_first_corruption else self.corruption,
            foreign_url=fault.elsewhere if is_first_corruption else self.foreign_url,
            lag_s=max(self.lag_s, fault.rest_lag_ms / 1000),
            code=fault.code if is_first_status else self.code,
        )


class CallbackFaultPlan(Struct, frozen=True):
    """The delay of each copy of one callback. A lost callback has no copy."""

    delays_s: tuple[float, ...] = (0.0,)


NO_FAULT = FaultPlan()
NO_CALLBACK_FAULT = CallbackFaultPlan()


class FaultInjector:
    """All active faults. The same seed and the same requests give the same faults."""

    def __init__(self, seed: int | None) -> None:
        self._faults: tuple[Fault, ...] = ()
        self.seed(seed)

    def seed(self, seed: int | None) -> None:
        self._random = Random(seed)  # noqa: S311 - faults must be repeatable

    def add(self, fault: Fault) -> None:
        self._faults += (fault,)

    def clear(self) -> None:
        self._faults = ()

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def plan(self, method: str, path: str, account_sid: str) -> FaultPlan:
        """Returns the faults of one request. Draws a random number for each match."""
        plan = NO_FAULT
        for fault in self._faults:
            if fault.match.matches(method, path, account_sid) and self._draw(fault.rate):
                plan = plan.combined_with(fault)
        return plan

    def plan_callback(self) -> CallbackFaultPlan:
        """Returns the faults of one callback."""
        if not self._faults:
            return NO_CALLBACK_FAULT
        copies = 1
        delay_s = jitter_s = 0.0
        for fault in self._faults:
            if self._draw(fault.callbacks.drop):
                return CallbackFaultPlan(())
            copies += self._draw(fault.callbacks.duplicate)
            delay_s += fault.callbacks.delay_ms / 1000
            jitter_s += fault.callbacks.reorder_ms / 1000
        return CallbackFaultPlan(
            tuple(delay_s + self._random.uniform(0, jitter_s) for _ in range(copies))
        )

    def _draw(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability
