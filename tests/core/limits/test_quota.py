from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import RequestClass


def test_callers_are_told_the_ranks_by_their_names() -> None:
    assert [each.name for each in RequestClass] == [priority.name for priority in Priority]
