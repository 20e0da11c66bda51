import msgspec
import pytest

from gateway.sandbox.faults.injector import CallbackFault, Fault, FaultInjector, FaultPlan, Match


def injector(*faults: Fault, seed: int = 1) -> FaultInjector:
    created = FaultInjector(seed)
    for fault in faults:
        created.add(fault)
    return created


def test_without_faults_the_plan_is_empty() -> None:
    assert injector().plan("GET", "/v1/Rooms", "AC1") == FaultPlan()
    assert injector().plan_callback().delays_s == (0.0,)


@pytest.mark.parametrize(
    ("match", "matches"),
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
def test_fault_matches_by_method_path_and_account(match: Match, matches: bool) -> None:
    assert match.matches("GET", "/v1/Rooms/RM1", "AC1") is matches


def test_latencies_add_up_and_the_first_status_wins() -> None:
    faults = [
        Fault(latency_ms=100, rest_lag_ms=500),
        Fault(latency_ms=100, status=503, retry_after_s=2),
        Fault(status=429, malformed=True, rest_lag_ms=2000),
    ]

    assert injector(*faults).plan("GET", "/", "AC1") == FaultPlan(
        0.2, 503, False, 2, None, True, None, "", 2.0
    )


def test_first_corruption_wins_with_its_foreign_url() -> None:
    plan = injector(
        Fault(answer="redirect", elsewhere="http://a"), Fault(answer="huge", elsewhere="http://b")
    ).plan("", "", "AC1")
    assert (plan.corruption, plan.foreign_url) == ("redirect", "http://a")


def test_rate_holds_and_the_same_seed_repeats_the_faults() -> None:
    def statuses(seed: int) -> list[int | None]:
        faults = injector(Fault(status=500, rate=0.2), seed=seed)
        return [faults.plan("GET", "/", "AC1").status for _ in range(1000)]

    assert statuses(5) == statuses(5) != statuses(6)
    assert 150 < statuses(5).count(500) < 250


def test_callbacks_are_dropped_duplicated_and_delayed() -> None:
    dropping = injector(Fault(callbacks=CallbackFault(drop=1, duplicate=1)))
    duplicating = injector(
        Fault(callbacks=CallbackFault(duplicate=1, delay_ms=100, reorder_ms=400))
    )

    assert dropping.plan_callback().delays_s == ()
    delays_s = duplicating.plan_callback().delays_s
    assert len(set(delays_s)) == 2
    assert all(0.1 <= delay_s <= 0.5 for delay_s in delays_s)


def test_cleared_injector_injects_nothing() -> None:
    faults = injector(Fault(status=500, callbacks=CallbackFault(drop=1)))

    faults.clear()

    assert (list(faults), faults.plan("GET", "/", "AC1"), faults.plan_callback().delays_s) == (
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
def test_invalid_fault_is_rejected(fault: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fault, Fault)


def test_a_code_goes_with_its_status() -> None:
    plan = injector(Fault(status=400, code=53209), Fault(status=404, code=20404)).plan("", "", "")
    assert (plan.status, plan.code) == (400, 53209)
    for fault in ('{"code": 53209}', '{"status": 400, "code": 1}'):
        with pytest.raises(msgspec.ValidationError, match="give both"):
            msgspec.json.decode(fault, type=Fault)
