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


def test_a_better_rank_goes_first_whoever_came_first() -> None:
    queue = filled(*((priority, "ada") for priority in reversed(Priority)))

    assert queue.first_priority is Priority.END
    assert [item.split()[0] for item in served(queue)] == [priority.name for priority in Priority]
    assert queue.first_priority is None


def test_within_a_rank_each_caller_has_a_turn() -> None:
    queue = filled(
        *[(Priority.READ, "greedy")] * 5,
        (Priority.READ, "ada"),
        (Priority.READ, "bob"),
        (Priority.READ, "ada"),
    )

    order = [item.split()[1] for item in served(queue)]

    assert order == ["greedy", "ada", "bob", "greedy", "ada", "greedy", "greedy", "greedy"]


def test_what_one_caller_asks_is_served_in_its_order() -> None:
    assert served(filled(*[(Priority.LIST, "ada")] * 3)) == [
        "LIST ada 0",
        "LIST ada 1",
        "LIST ada 2",
    ]


def test_each_rank_has_room_of_its_own() -> None:
    queue = filled(*[(Priority.LIST, "ada")] * 5, limit=3)

    assert queue.size(Priority.LIST) == 3
    assert queue.put(Priority.LIST, "ada", "too much") == "too much"
    assert queue.put(Priority.READ, "bob", "another rank") is None
    assert (len(queue), len(list(queue))) == (4, 4)


def test_when_there_is_no_room_the_last_one_of_whoever_has_most_makes_way() -> None:
    queue = filled(*[(Priority.READ, "greedy")] * 3, (Priority.READ, "ada"), limit=4)

    assert queue.put(Priority.READ, "bob", "READ bob 4") == "READ greedy 2"
    assert queue.put(Priority.READ, "eve", "READ eve 5") == "READ greedy 1"
    assert queue.put(Priority.READ, "ida", "READ ida 6") == "READ ida 6"
    assert served(queue) == ["READ greedy 0", "READ ada 3", "READ bob 4", "READ eve 5"]
    assert len(queue) == 0


def test_who_leaves_holds_up_nobody() -> None:
    queue = filled((Priority.READ, "ada"), (Priority.READ, "bob"))
    queue.remove(Priority.READ, "ada", "READ ada 0")
    queue.remove(Priority.READ, "ada", "READ ada 0")
    queue.remove(Priority.END, "nobody", "never here")

    assert served(queue) == ["READ bob 1"]
    assert len(queue) == 0


priorities = st.sampled_from(Priority)
callers = st.sampled_from(["ada", "bob", "eve"])


@given(st.lists(st.tuples(priorities, callers), max_size=40), priorities, callers)
def test_as_many_are_served_before_a_newcomer_as_he_is_told_at_most(
    waiting: list[tuple[Priority, str]], priority: Priority, caller: str
) -> None:
    queue = filled(*waiting)
    told = queue.ahead(priority, caller)
    queue.put(priority, caller, "newcomer")

    assert served(queue).index("newcomer") <= told


@given(st.lists(callers, max_size=60))
def test_nobody_starves(waiting: list[str]) -> None:
    """In any stretch, a caller who waits through it has as many turns as anybody else, give or take one."""
    left = Counter(waiting)
    order = [
        item.split()[1] for item in served(filled(*((Priority.READ, caller) for caller in waiting)))
    ]

    had = Counter[str]()
    for caller in order:
        assert all(had[caller] <= had[other] for other in left if had[other] < left[other])
        had[caller] += 1
    assert had == left
