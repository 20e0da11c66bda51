from gateway.sandbox.control.call_log import MAX_CALLS, CallLog


def test_calls_are_told_in_their_order_from_a_time_on() -> None:
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


def test_only_the_last_calls_are_remembered() -> None:
    call_log = CallLog()
    for n in range(MAX_CALLS + 1):
        call_log.begin("GET", f"/{n}", "", True)
        call_log.end()

    told = call_log.calls()
    assert (len(told), told[0]["path"]) == (MAX_CALLS, "/1")


def test_a_call_under_way_still_counts_after_a_clearing() -> None:
    call_log = CallLog()
    call_log.begin("GET", "/", "", True)

    call_log.clear()

    assert (call_log.calls(), call_log.peak()) == ([], {"read": 0, "write": 0, "concurrent": 1})
    call_log.end()
    call_log.clear()
    assert call_log.peak()["concurrent"] == 0
