from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits.due_queue import DuePriority, DueQueue


def test_due_tasks_are_taken_by_priority_and_then_by_due_time() -> None:
    due_queue = DueQueue[str]()
    due_queue.add("spare", 0, DuePriority.SPARE)
    due_queue.add("second", 2, DuePriority.ROUND)
    due_queue.add("first", 1, DuePriority.ROUND)
    due_queue.add("urgent", 3, DuePriority.URGENT)
    assert [due_queue.take(3) for _ in range(5)] == ["urgent", "first", "second", "spare", None]


def test_a_task_that_is_not_due_stays() -> None:
    due_queue = DueQueue[str]()
    due_queue.add("later", 5, DuePriority.URGENT)
    assert due_queue.take(4.9) is None
    assert due_queue.next_at() == 5
    assert due_queue.take(5) == "later"
    assert due_queue.next_at() == float("inf")


def test_a_task_added_again_keeps_its_earliest_time() -> None:
    due_queue = DueQueue[str]()
    for at in (9, 3, 7):
        due_queue.add("task", at, DuePriority.ROUND)
    assert (due_queue.take(3), due_queue.take(100)) == ("task", None)


def test_a_taken_task_is_removed_from_all_priorities_and_may_be_added_again() -> None:
    due_queue = DueQueue[str]()
    due_queue.add("task", 10, DuePriority.ROUND)
    due_queue.add("task", 1, DuePriority.URGENT)
    assert (due_queue.take(1), due_queue.take(20), len(due_queue)) == ("task", None, 0)
    due_queue.add("task", 15, DuePriority.ROUND)
    assert (due_queue.take(14), due_queue.take(15)) == (None, "task")


def test_a_dropped_task_is_not_taken() -> None:
    due_queue = DueQueue[str]()
    due_queue.add("task", 1, DuePriority.ROUND)
    due_queue.drop("task")
    due_queue.drop("never added")
    assert (due_queue.take(1), due_queue.next_at()) == (None, float("inf"))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.sampled_from(DuePriority))))
def test_each_task_is_taken_once_at_its_earliest_time(
    added: list[tuple[int, int, DuePriority]],
) -> None:
    due_queue, taken = DueQueue[int](), dict[int, int]()
    for task, at, priority in added:
        due_queue.add(task, at, priority)
    for now in range(21):
        while (due := due_queue.take(now)) is not None:
            assert due not in taken
            taken[due] = now
    assert taken == {
        task: min(at for other, at, _ in added if other == task) for task, _, _ in added
    }
