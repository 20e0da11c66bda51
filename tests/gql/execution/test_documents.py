"""The cache of documents."""

import pytest

from gateway.gql.execution import document_limits as limits
from gateway.gql.execution.documents import Documents
from gateway.gql.execution.errors import Refused
from gateway.gql.schema.schema import EXECUTABLE


def documents(count: int = 10, bytes_: int = 1_000_000) -> Documents:
    return Documents(EXECUTABLE, introspection=False, count=count, bytes_=bytes_)


def test_a_document_is_parsed_and_validated_once() -> None:
    kept = documents()
    assert kept.document("{ __typename }") is kept.document("{ __typename }")


def test_no_more_than_so_many_are_kept_and_the_longest_unused_goes_first() -> None:
    kept = documents(count=2)
    first = kept.document("{ a: __typename }")
    second = kept.document("{ b: __typename }")
    assert kept.document("{ a: __typename }") is first
    kept.document("{ c: __typename }")
    assert len(kept) == 2
    assert kept.document("{ a: __typename }") is first
    assert kept.document("{ b: __typename }") is not second


def test_their_size_is_bounded_too() -> None:
    kept = documents(bytes_=20_000)
    for number in range(100):
        kept.document(f"{{ a{number}: __typename }}")
    assert 0 < kept.size <= 20_000
    assert len(kept) < 10
    kept.document("{ __typename " + " " * 30_000 + "}")
    assert (len(kept), kept.size) == (0, 0), "one that is larger than all the room is not kept"


def test_faulty_documents_are_not_kept() -> None:
    kept = documents()
    for text in ("{", "{ nonsense }", "{ " + "__typename " * 11 + "}"):
        with pytest.raises(Refused):
            kept.document(text)
    assert (len(kept), kept.size) == (0, 0)


def test_a_document_may_have_so_many_tokens_and_no_more() -> None:
    head, tail = "{ nodes ( ids : [", "] ) { id } }"
    words = limits.TOKENS - len(head.split()) - len(tail.split())
    documents().document(head + '"x" ' * words + tail)
    with pytest.raises(Refused) as refused:
        documents().document(head + '"x" ' * (words + 1) + tail)
    assert "1000 tokens" in refused.value.errors[0].message


def test_comments_are_limited_too() -> None:
    documents().document("# x\n" * limits.COMMENTS + "{ __typename }")
    with pytest.raises(Refused):
        documents().document("# x\n" * (limits.COMMENTS + 1) + "{ __typename }")


def test_deep_nesting_is_refused_while_parsing() -> None:
    for text in ("{ a " * 400, "{ a(b: " + "[" * 900):
        with pytest.raises(Refused):
            documents().document(text)
