import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidArgument
from gateway.core.paging import PAGE_LIMIT, checked_first, per_status
from gateway.core.rooms import RoomFilter, RoomStatus


@pytest.mark.parametrize("first", [1, 50, PAGE_LIMIT])
def test_a_page_has_1_to_100_items(first: int) -> None:
    assert checked_first(first) == first


@pytest.mark.parametrize("first", [0, -1, 101, 10**30])
def test_any_other_size_is_refused_with_advice(first: int) -> None:
    with pytest.raises(InvalidArgument, match="give a whole number from 1 to 100"):
        checked_first(first)


@given(st.permutations([RoomStatus.IN_PROGRESS, RoomStatus.COMPLETED, RoomStatus.FAILED]))
def test_the_order_of_statuses_does_not_matter(statuses: list[RoomStatus]) -> None:
    lists = per_status(RoomFilter(statuses=(*statuses, statuses[0])))

    assert [each.statuses for each in lists] == [
        (RoomStatus.IN_PROGRESS,),
        (RoomStatus.COMPLETED,),
        (RoomStatus.FAILED,),
    ]
