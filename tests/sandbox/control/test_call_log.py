from gateway.sandbox.control.call_log import MAX_CALLS, Journal


def test_calls_are_told_in_their_order_from_a_time_on() -> None:
    journal = Journal()
    first = journal.begin("GET", "/v1/Rooms", "PageSize=5", True)
    first.status = 200
    second = journal.begin("POST", "/v1/Rooms", "", False)
    first.at, second.at = 100.0, 101.0

    assert [(call["at"], call["status"]) for call in journal.calls()] == [(100.0, 200), (101.0, None)]
    assert [call["method"] for call in journal.calls(since=101.0)] == ["POST"]


def test_only_the_last_calls_are_remembered() -> None:
    journal = Journal()
    for n in range(MAX_CALLS + 1):
        journal.begin("GET", f"/{n}", "", True)
        journal.end()

    told = journal.calls()
    assert (len(told), told[0]["path"]) == (MAX_CALLS, "/1")


def test_a_call_under_way_still_counts_after_a_clearing() -> None:
    journal = Journal()
    journal.begin("GET", "/", "", True)

    journal.clear()

    assert (journal.calls(), journal.peak()) == ([], {"read": 0, "write": 0, "concurrent": 1})
    journal.end()
    journal.clear()
    assert journal.peak()["concurrent"] == 0
