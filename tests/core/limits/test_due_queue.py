from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits.due_queue import Agenda, Rank


def test_of_what_is_due_the_most_urgent_comes_first_and_then_what_was_due_first() -> None:
    agenda = Agenda[str]()
    agenda.add("spare", 0, Rank.SPARE)
    agenda.add("second", 2, Rank.ROUND)
    agenda.add("first", 1, Rank.ROUND)
    agenda.add("urgent", 3, Rank.URGENT)
    assert [agenda.take(3) for _ in range(5)] == ["urgent", "first", "second", "spare", None]


def test_what_is_not_due_stays() -> None:
    agenda = Agenda[str]()
    agenda.add("later", 5, Rank.URGENT)
    assert agenda.take(4.9) is None
    assert agenda.next_at() == 5
    assert agenda.take(5) == "later"
    assert agenda.next_at() == float("inf")


def test_a_task_keeps_the_earliest_time_asked_for() -> None:
    agenda = Agenda[str]()
    for at in (9, 3, 7):
        agenda.add("task", at, Rank.ROUND)
    assert (agenda.take(3), agenda.take(100)) == ("task", None)


def test_a_task_that_was_taken_is_gone_from_every_rank_and_may_come_again() -> None:
    agenda = Agenda[str]()
    agenda.add("task", 10, Rank.ROUND)
    agenda.add("task", 1, Rank.URGENT)
    assert (agenda.take(1), agenda.take(20), len(agenda)) == ("task", None, 0)
    agenda.add("task", 15, Rank.ROUND)
    assert (agenda.take(14), agenda.take(15)) == (None, "task")


def test_what_was_dropped_does_not_come() -> None:
    agenda = Agenda[str]()
    agenda.add("task", 1, Rank.ROUND)
    agenda.drop("task")
    agenda.drop("never added")
    assert (agenda.take(1), agenda.next_at()) == (None, float("inf"))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.sampled_from(Rank))))
def test_each_task_comes_once_when_it_is_first_due(asked: list[tuple[int, int, Rank]]) -> None:
    agenda, taken = Agenda[int](), dict[int, int]()
    for task, at, rank in asked:
        agenda.add(task, at, rank)
    for now in range(21):
        while (task := agenda.take(now)) is not None:
            assert task not in taken
            taken[task] = now
    assert taken == {task: min(at for each, at, _ in asked if each == task) for task, _, _ in asked}
