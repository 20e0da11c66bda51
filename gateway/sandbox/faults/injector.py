"""The fault dial: what goes wrong, how often, and for whom. Does no I/O."""

import re
from collections.abc import Iterator
from random import Random
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from gateway.sandbox.faults.corrupt import Corruption
from gateway.sandbox.world.room_store import MAX_LAG_S

Share = Annotated[float, Meta(ge=0, le=1)]
Millis = Annotated[float, Meta(ge=0, le=600_000)]


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """`method` is a word such as GET. `path` is a regular expression for the beginning of the path as it was sent: so a
    prefix will do, `/v1/Rooms` means all below it too, `/v1/Rooms$` the list alone. Left out, each matches all."""

    method: str | None = None
    path: str | None = None
    account_sid: str | None = None

    def __post_init__(self) -> None:
        if self.path is not None:
            try:
                re.compile(self.path)
            except re.error as exc:
                raise ValueError(f"path is not a regular expression: {exc}") from exc

    def fits(self, method: str, path: str, account_sid: str | None = None) -> bool:
        return (
            self.method in (None, method)
            and self.account_sid in (None, account_sid)
            and (self.path is None or re.match(self.path, path) is not None)
        )


class CallbackFault(Struct, frozen=True, forbid_unknown_fields=True):
    """`drop` and `duplicate` are probabilities. Each callback waits `delay_ms`, and up to `reorder_ms` more: so some
    overtake others."""

    drop: Share = 0.0
    duplicate: Share = 0.0
    reorder_ms: Millis = 0.0
    delay_ms: Millis = 0.0


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the dial. `match` and `rate` are about REST calls with valid credentials; `callbacks` is about all
    callbacks.

    `status` is answered instead of processing the call, or with `is_processed` after it, as when a proxy gives up too
    early. `hang_up` closes the connection without an answer, before or after processing. With `answer` the call is processed
    and what is answered is spoiled, as `spoiling` says; `elsewhere` is the base URL that it leads to then. With `rest_lag_ms`
    reads show the state of so long ago on the pushable clock; a room just made is 404.
    """

    match: Match = Match()
    rate: Share = 1.0
    latency_ms: Millis = 0.0
    status: Annotated[int, Meta(ge=300, le=599)] | None = None
    is_processed: bool = False
    retry_after_s: Annotated[float, Meta(ge=0)] | None = None
    hang_up: Literal["before", "after"] | None = None
    malformed: bool = False
    answer: Corruption | None = None
    elsewhere: Annotated[str, Meta(pattern=r"^https?://[!-~]+$")] = "http://elsewhere.invalid"
    callbacks: CallbackFault = CallbackFault()
    rest_lag_ms: Annotated[float, Meta(ge=0, le=MAX_LAG_S * 1000)] = 0.0


class FaultPlan(Struct, frozen=True):
    """What one call gets from the whole dial."""

    latency_s: float = 0.0
    status: int | None = None
    is_processed: bool = False
    retry_after_s: float | None = None
    hang_up: Literal["before", "after"] | None = None
    is_malformed: bool = False
    answer: Corruption | None = None
    elsewhere: str = ""
    lag_s: float = 0.0

    def with_(self, fault: Fault) -> Self:
        """Delays add up, of the rest the earlier fault wins."""
        is_first_status = self.status is None and fault.status is not None
        is_first_answer = self.answer is None and fault.answer is not None
        return type(self)(
            latency_s=self.latency_s + fault.latency_ms / 1000,
            status=fault.status if is_first_status else self.status,
            is_processed=fault.is_processed if is_first_status else self.is_processed,
            retry_after_s=fault.retry_after_s if is_first_status else self.retry_after_s,
            hang_up=self.hang_up or fault.hang_up,
            is_malformed=self.is_malformed or fault.malformed,
            answer=fault.answer if is_first_answer else self.answer,
            elsewhere=fault.elsewhere if is_first_answer else self.elsewhere,
            lag_s=max(self.lag_s, fault.rest_lag_ms / 1000),
        )


class CallbackFaultPlan(Struct, frozen=True):
    """What one callback gets: how long each copy of it waits; none at all when it is lost."""

    delays_s: tuple[float, ...] = (0.0,)


NO_FAULT = FaultPlan()
NO_CALLBACK_STRIKE = CallbackFaultPlan()


class FaultInjector:
    """All faults that are set. The same seed and the same calls give the same faults."""

    def __init__(self, seed: int | None) -> None:
        self._faults: tuple[Fault, ...] = ()
        self.seed(seed)

    def seed(self, seed: int | None) -> None:
        self._random = Random(seed)  # noqa: S311 - chance that can be repeated is the point

    def add(self, fault: Fault) -> None:
        self._faults += (fault,)

    def clear(self) -> None:
        self._faults = ()

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def plan(self, method: str, path: str, account_sid: str | None = None) -> FaultPlan:
        plan = NO_FAULT
        for fault in self._faults:
            if fault.match.fits(method, path, account_sid) and self._falls(fault.rate):
                plan = plan.with_(fault)
        return plan

    def strike_callback(self) -> CallbackFaultPlan:
        if not self._faults:
            return NO_CALLBACK_STRIKE
        copies = 1
        least_s = spread_s = 0.0
        for fault in self._faults:
            if self._falls(fault.callbacks.drop):
                return CallbackFaultPlan(())
            copies += self._falls(fault.callbacks.duplicate)
            least_s += fault.callbacks.delay_ms / 1000
            spread_s += fault.callbacks.reorder_ms / 1000
        return CallbackFaultPlan(
            tuple(least_s + self._random.uniform(0, spread_s) for _ in range(copies))
        )

    def _falls(self, rate: float) -> bool:
        return rate > 0 and self._random.random() < rate
