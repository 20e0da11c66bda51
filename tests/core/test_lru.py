from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.lru import LruCache


def test_put_evicts_the_entry_used_least_recently() -> None:
    cache = LruCache[str, int](max_entries=2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    assert cache.put("c", 3) == [("b", 2)]
    assert list(cache) == ["a", "c"]


def test_peek_and_membership_do_not_count_as_use() -> None:
    cache = LruCache[str, int](max_entries=2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.peek("a") == 1
    assert "a" in cache
    assert cache.put("c", 3) == [("a", 1)]
    assert cache.peek("a") is None


def test_put_of_a_known_key_replaces_its_value_and_size() -> None:
    cache = LruCache[str, str](max_bytes=10)
    cache.put("a", "long", 8)
    cache.put("b", "short", 2)
    assert cache.put("a", "shorter", 3) == []
    assert (list(cache), cache.size, cache.get("a")) == (["b", "a"], 5, "shorter")


def test_put_evicts_as_many_entries_as_the_new_one_needs() -> None:
    cache = LruCache[str, int](max_bytes=10)
    for key in "abc":
        cache.put(key, 0, 3)
    assert cache.put("d", 0, 5) == [("a", 0), ("b", 0)]
    assert (list(cache), cache.size) == (["c", "d"], 8)


def test_an_entry_larger_than_the_cache_is_not_stored() -> None:
    cache = LruCache[str, int](max_bytes=10)
    cache.put("a", 1, 1)
    assert cache.put("b", 2, 11) == [("a", 1), ("b", 2)]
    assert (len(cache), cache.size) == (0, 0)


def test_pop_gives_the_space_back() -> None:
    cache = LruCache[str, int](max_entries=5, max_bytes=10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 4)
    assert (cache.pop("a"), cache.pop("a"), cache.size) == (1, None, 4)
    assert list(cache) == ["b"]


@given(st.lists(st.tuples(st.sampled_from(["get", "put", "pop"]), st.integers(0, 5))))
def test_i16_the_cache_behaves_like_an_ordered_dict_within_its_limits(
    calls: list[tuple[str, int]],
) -> None:
    cache, model = LruCache[int, int](max_entries=3, max_bytes=9), OrderedDict[int, int]()
    for call, key in calls:
        if call == "put":
            cache.put(key, key, key)
            model[key] = key
            model.move_to_end(key)
            while len(model) > 3 or sum(model) > 9:
                model.popitem(last=False)
        elif call == "get":
            assert cache.get(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
        else:
            assert cache.pop(key) == model.pop(key, None)
        assert (list(cache), cache.size) == (list(model), sum(model))
