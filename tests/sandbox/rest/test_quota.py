from gateway.sandbox.rest.quota import AccountQuota, Peaks, Quotas, Window


def test_81st_read_and_21st_write_in_a_second_are_refused() -> None:
    quota = AccountQuota(Quotas())

    assert [quota.allow(True, 100 + n / 1000) for n in range(81)] == [True] * 80 + [False]
    assert [quota.allow(False, 100 + n / 1000) for n in range(21)] == [True] * 20 + [False]


def test_window_slides_and_does_not_follow_clock_seconds() -> None:
    window = Window(2)

    assert [window.allow(at_s) for at_s in (0.9, 0.95, 1.1, 1.89, 1.91, 1.94, 1.96)] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]


def test_refused_request_does_not_count() -> None:
    window = Window(1)
    window.allow(0)

    assert [window.allow(at_s) for at_s in (0.5, 0.9, 1.0)] == [False, False, True]


def test_too_many_concurrent_requests_are_refused_if_limited() -> None:
    quota = AccountQuota(Quotas(concurrent=2))
    quota.in_flight = 2
    assert quota.allow(True, 0)

    quota.in_flight = 3
    assert not quota.allow(True, 0)


def test_peak_is_the_highest_count_in_any_second() -> None:
    peaks = Peaks()
    for at_s in (0.0, 0.9, 1.0, 1.5, 1.8, 5.0):
        peaks.begin(True, at_s)
        peaks.end()
    peaks.begin(False, 5.0)
    peaks.begin(False, 6.0)

    assert peaks.json() == {"read": 4, "write": 1, "concurrent": 2}
