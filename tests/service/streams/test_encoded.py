import pytest

from gateway.service.streams.encoded import EncodedMessage, EncodedMessages

Key = tuple[bytes, str, str | None]


def message(encoded: bytes = b"text") -> EncodedMessage:
    return EncodedMessage(encoded, "c")


def test_a_message_is_found_under_its_exact_key_only() -> None:
    messages = EncodedMessages[Key]()
    put = message()
    messages.put((b"s", "c2", "c1"), put)
    assert messages.get((b"s", "c2", "c1")) is put
    for other in ((b"t", "c2", "c1"), (b"s", "c3", "c1"), (b"s", "c2", "c0"), (b"s", "c2", None)):
        assert messages.get(other) is None


@pytest.mark.parametrize(("count", "bytes_"), [(2, 1_000), (1_000, 8)], ids=["count", "bytes"])
def test_i16_a_full_cache_evicts_the_oldest_message(count: int, bytes_: int) -> None:
    messages = EncodedMessages[Key](count=count, bytes_=bytes_)
    for number in range(5):
        messages.put((b"s", f"c{number}", None), message())
    assert (len(messages), messages.size) == (2, 8)
    assert messages.get((b"s", "c2", None)) is None
    assert messages.get((b"s", "c4", None)) == message()


def test_i16_a_message_put_twice_counts_once() -> None:
    messages = EncodedMessages[Key]()
    for text in (b"text", b"te"):
        messages.put((b"s", "c1", None), message(text))
    assert (len(messages), messages.size) == (1, 2)


def test_i16_a_message_above_the_byte_limit_is_not_kept() -> None:
    messages = EncodedMessages[Key](bytes_=3)
    messages.put((b"s", "c1", None), message())
    assert (len(messages), messages.size) == (0, 0)
