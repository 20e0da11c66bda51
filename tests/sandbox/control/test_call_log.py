from gateway.sandbox.control.call_log import MAX_CALLS, CallLog


def test_calls_are_listed_in_order_since_a_time() -> None:
    call_log = CallLog()
    first = call_log.begin("GET", "/v1/Rooms", "PageSize=5", True)
    first.status = 200
    second = call_log.begin("POST", "/v1/Rooms", "", False)
    first.at, second.at = 100.0, 101.0

    assert [(call["at"], call["status"]) for call in call_log.calls()] == [
        (100.0, 200),
        (101.0, None),
    ]
    assert [call["method"] for call in call_log.calls(since=101.0)] == ["POST"]


def test_only_the_last_calls_are_kept() -> None:
    call_log = CallLog()
    for n in range(MAX_CALLS + 1):
        call_log.begin("GET", f"/{n}", "", True)
        call_log.end()

    calls = call_log.calls()
    assert (len(calls), calls[0]["path"]) == (MAX_CALLS, "/1")


def test_call_in_flight_counts_as_concurrent_after_clear() -> None:
    call_log = CallLog()
    call_log.begin("GET", "/", "", True)

    call_log.clear()

    assert (call_log.calls(), call_log.peak()) == ([], {"read": 0, "write": 0, "concurrent": 1})
    call_log.end()
    call_log.clear()
    assert call_log.peak()["concurrent"] == 0
