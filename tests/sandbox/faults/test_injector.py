import msgspec
import pytest

from gateway.sandbox.faults.injector import CallbackFault, Fault, FaultInjector, FaultPlan, Match


def injector(*faults: Fault, seed: int = 1) -> FaultInjector:
    made = FaultInjector(seed)
    for fault in faults:
        made.add(fault)
    return made


def test_without_faults_nothing_happens() -> None:
    assert injector().plan("GET", "/v1/Rooms") == FaultPlan()
    assert injector().strike_callback().delays_s == (0.0,)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), True),
        (Match(method="GET"), True),
        (Match(method="POST"), False),
        (Match(path="/v1/Rooms"), True),
        (Match(path="/v1/Rooms$"), False),
        (Match(path="/v1/Rooms/[^/]+$"), True),
        (Match(path="Rooms"), False),
        (Match(account_sid="AC1"), True),
        (Match(account_sid="AC2"), False),
    ],
)
def test_a_fault_fits_by_method_path_and_account(match: Match, fits: bool) -> None:
    assert match.fits("GET", "/v1/Rooms/RM1", "AC1") is fits


def test_delays_add_up_and_of_two_statuses_the_first_wins() -> None:
    faults = [
        Fault(latency_ms=100, rest_lag_ms=500),
        Fault(latency_ms=100, status=503, retry_after_s=2),
        Fault(status=429, malformed=True, rest_lag_ms=2000),
    ]

    assert injector(*faults).plan("GET", "/") == FaultPlan(
        0.2, 503, False, 2, None, True, None, "", 2.0
    )


def test_of_two_spoiled_answers_the_first_wins_with_where_it_leads() -> None:
    plan = injector(
        Fault(answer="redirect", elsewhere="http://a"), Fault(answer="huge", elsewhere="http://b")
    ).plan("", "")
    assert (plan.answer, plan.elsewhere) == ("redirect", "http://a")


def test_a_rate_is_kept_and_the_same_seed_gives_the_same_faults() -> None:
    def statuses(seed: int) -> list[int | None]:
        made = injector(Fault(status=500, rate=0.2), seed=seed)
        return [made.plan("GET", "/").status for _ in range(1000)]

    assert statuses(5) == statuses(5) != statuses(6)
    assert 150 < statuses(5).count(500) < 250


def test_callbacks_are_lost_doubled_and_delayed() -> None:
    lost = injector(Fault(callbacks=CallbackFault(drop=1, duplicate=1)))
    doubled = injector(Fault(callbacks=CallbackFault(duplicate=1, delay_ms=100, reorder_ms=400)))

    assert lost.strike_callback().delays_s == ()
    delays_s = doubled.strike_callback().delays_s
    assert len(set(delays_s)) == 2
    assert all(0.1 <= delay_s <= 0.5 for delay_s in delays_s)


def test_a_cleared_dial_does_nothing() -> None:
    made = injector(Fault(status=500, callbacks=CallbackFault(drop=1)))

    made.clear()

    assert (list(made), made.plan("GET", "/"), made.strike_callback().delays_s) == (
        [],
        FaultPlan(),
        (0.0,),
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"rate": 2},
        {"status": 200},
        {"hang_up": "sometimes"},
        {"latency_ms": -1},
        {"rest_lag_ms": 60_000},
        {"callbacks": {"drop": "often"}},
        {"match": {"path": "("}},
        {"match": {"host": "x"}},
        {"answer": "42"},
        {"elsewhere": "nowhere"},
        {"colour": "red"},
    ],
)
def test_what_is_no_fault_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fault, Fault)
