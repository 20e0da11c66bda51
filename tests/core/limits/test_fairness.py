from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits.fairness import FairQueue, Priority


def filled(*waiting: tuple[Priority, str], limit: int = 100) -> FairQueue[str]:
    queue = FairQueue[str](limit)
    for number, (priority, caller) in enumerate(waiting):
        queue.put(priority, caller, f"{priority.name} {caller} {number}")
    return queue


def served(queue: FairQueue[str]) -> list[str]:
    return list(iter(queue.pop, None))


def test_a_more_urgent_item_goes_first_in_any_order_of_arrival() -> None:
    queue = filled(*((priority, "ada") for priority in reversed(Priority)))

    assert queue.first_priority is Priority.END
    assert [item.split()[0] for item in served(queue)] == [priority.name for priority in Priority]
    assert queue.first_priority is None


def test_callers_take_turns_within_a_priority() -> None:
    queue = filled(
        *[(Priority.READ, "greedy")] * 5,
        (Priority.READ, "ada"),
        (Priority.READ, "bob"),
        (Priority.READ, "ada"),
    )

    order = [item.split()[1] for item in served(queue)]

    assert order == ["greedy", "ada", "bob", "greedy", "ada", "greedy", "greedy", "greedy"]


def test_items_of_one_caller_are_served_in_order_of_arrival() -> None:
    assert served(filled(*[(Priority.LIST, "ada")] * 3)) == [
        "LIST ada 0",
        "LIST ada 1",
        "LIST ada 2",
    ]


def test_each_priority_has_a_limit_of_its_own() -> None:
    queue = filled(*[(Priority.LIST, "ada")] * 5, limit=3)

    assert queue.size(Priority.LIST) == 3
    assert queue.put(Priority.LIST, "ada", "too much") == "too much"
    assert queue.put(Priority.READ, "bob", "other priority") is None
    assert (len(queue), len(list(queue))) == (4, 4)


def test_a_full_priority_evicts_the_last_item_of_the_caller_with_the_most() -> None:
    queue = filled(*[(Priority.READ, "greedy")] * 3, (Priority.READ, "ada"), limit=4)

    assert queue.put(Priority.READ, "bob", "READ bob 4") == "READ greedy 2"
    assert queue.put(Priority.READ, "eve", "READ eve 5") == "READ greedy 1"
    assert queue.put(Priority.READ, "ida", "READ ida 6") == "READ ida 6"
    assert served(queue) == ["READ greedy 0", "READ ada 3", "READ bob 4", "READ eve 5"]
    assert len(queue) == 0


def test_a_removed_item_is_not_served() -> None:
    queue = filled((Priority.READ, "ada"), (Priority.READ, "bob"))
    queue.remove(Priority.READ, "ada", "READ ada 0")
    queue.remove(Priority.READ, "ada", "READ ada 0")
    queue.remove(Priority.END, "eve", "never added")

    assert served(queue) == ["READ bob 1"]
    assert len(queue) == 0


priorities = st.sampled_from(Priority)
callers = st.sampled_from(["ada", "bob", "eve"])


@given(st.lists(st.tuples(priorities, callers), max_size=40), priorities, callers)
def test_ahead_is_an_upper_bound_of_the_items_served_before_a_new_one(
    waiting: list[tuple[Priority, str]], priority: Priority, caller: str
) -> None:
    queue = filled(*waiting)
    ahead = queue.ahead(priority, caller)
    queue.put(priority, caller, "newcomer")

    assert served(queue).index("newcomer") <= ahead


@given(st.lists(callers, max_size=60))
def test_no_caller_starves(waiting: list[str]) -> None:
    """While a caller waits, no other caller is served more than once more often."""
    left = Counter(waiting)
    order = [
        item.split()[1] for item in served(filled(*((Priority.READ, caller) for caller in waiting)))
    ]

    had = Counter[str]()
    for caller in order:
        assert all(had[caller] <= had[other] for other in left if had[other] < left[other])
        had[caller] += 1
    assert had == left
