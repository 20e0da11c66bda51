from gateway.core.limits.fairness import Rank
from gateway.core.limits.quota import RequestClass


def test_callers_are_told_the_ranks_by_their_names() -> None:
    assert [each.name for each in RequestClass] == [rank.name for rank in Rank]
