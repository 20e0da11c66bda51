from gateway.sandbox.rest.quota import AccountQuota, Peaks, Quotas, Window


def test_the_81st_read_and_the_21st_write_in_a_second_are_refused() -> None:
    quota = AccountQuota(Quotas())

    assert [quota.take(True, 100 + n / 1000) for n in range(81)] == [True] * 80 + [False]
    assert [quota.take(False, 100 + n / 1000) for n in range(21)] == [True] * 20 + [False]


def test_any_one_second_counts_not_the_one_of_the_clock() -> None:
    window = Window(2)

    assert [window.take(at_s) for at_s in (0.9, 0.95, 1.1, 1.89, 1.91, 1.94, 1.96)] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]


def test_a_refused_call_costs_nothing() -> None:
    window = Window(1)
    window.take(0)

    assert [window.take(at_s) for at_s in (0.5, 0.9, 1.0)] == [False, False, True]


def test_too_many_at_once_are_refused_when_there_is_a_limit() -> None:
    quota = AccountQuota(Quotas(concurrent=2))
    quota.in_flight = 2
    assert quota.take(True, 0)

    quota.in_flight = 3
    assert not quota.take(True, 0)


def test_a_peak_is_the_most_in_any_one_second_window() -> None:
    peaks = Peaks()
    for at_s in (0.0, 0.9, 1.0, 1.5, 1.8, 5.0):
        peaks.begin(True, at_s)
        peaks.end()
    peaks.begin(False, 5.0)
    peaks.begin(False, 6.0)

    assert peaks.json() == {"read": 4, "write": 1, "concurrent": 2}
