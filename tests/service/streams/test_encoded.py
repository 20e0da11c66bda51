import pytest

from gateway.service.streams.encoded import EncodedMessages


def test_what_was_put_is_found_at_its_place_only() -> None:
    shared = EncodedMessages()
    shared.put((b"s", "c2", "c1"), b"text")
    assert shared.get((b"s", "c2", "c1")) == b"text"
    for other in ((b"t", "c2", "c1"), (b"s", "c3", "c1"), (b"s", "c2", "c0"), (b"s", "c2", None)):
        assert shared.get(other) is None


@pytest.mark.parametrize(("count", "bytes_"), [(2, 1_000), (1_000, 8)])
def test_i16_the_oldest_makes_room(count: int, bytes_: int) -> None:
    shared = EncodedMessages(count=count, bytes_=bytes_)
    for number in range(5):
        shared.put((b"s", f"c{number}", None), b"text")
    assert (len(shared), shared.size) == (2, 8)
    assert shared.get((b"s", "c2", None)) is None
    assert shared.get((b"s", "c4", None)) == b"text"


def test_i16_what_is_put_twice_counts_once() -> None:
    shared = EncodedMessages()
    for text in (b"text", b"te"):
        shared.put((b"s", "c1", None), text)
    assert (len(shared), shared.size) == (1, 2)


def test_i16_what_is_larger_than_all_is_not_kept() -> None:
    shared = EncodedMessages(bytes_=3)
    shared.put((b"s", "c1", None), b"text")
    assert (len(shared), shared.size) == (0, 0)
